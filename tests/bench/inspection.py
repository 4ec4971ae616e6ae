"""Looking at a 300x300 grey JPEG before it is decoded, one thread, against decoding it with stb_image alone.

Inspection may cost at most 0.6 of that: the row of stb_image says 1.67x or more. The last row is what the package does in all:
inspection, stb_image, checks of the pixels.
"""

from protocol import Side, compare

if __name__ == "__main__":
    sides = [
        Side("gonogo, inspection alone", ("gonogo_inspection.py", "inspect"), ("PIL",)),
        Side("stb_image alone", ("stb_decoding.py",), ("PIL",)),
        Side("gonogo, inspection and decoding", ("gonogo_inspection.py", "decode"), ("PIL",)),
    ]
    compare("inspection of a JPEG", "us per picture, one thread", sides, higher_is_better=False)
