"""Augmentation of one 300x300 grey picture, one thread: rotation, shift, zoom, flips, brightness, to float32."""

from protocol import Side, compare

if __name__ == "__main__":
    sides = [
        Side("gonogo, called from Python", ("gonogo_augmentation.py",)),
        Side("OpenCV", ("opencv_augmentation.py",), ("cv2",)),
        Side("Pillow", ("pillow_augmentation.py",), ("PIL",)),
    ]
    compare("augmentation", "us per picture, one thread", sides, higher_is_better=False)
