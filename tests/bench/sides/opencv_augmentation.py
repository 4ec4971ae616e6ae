"""The same with OpenCV."""

import cv2
from opencv_change import change
from picture import measure, picture

cv2.setNumThreads(0)
measure(lambda: change(picture), 300)
