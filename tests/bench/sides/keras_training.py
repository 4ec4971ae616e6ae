"""Images per second of the whole recipe in Keras: files decoded and changed in Python every epoch."""

import tempfile
import time

import keras
import tensorflow as tf
from keras import layers
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from gonogo import synthetic

tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.threading.set_inter_op_parallelism_threads(2)

with tempfile.TemporaryDirectory() as folder:
    synthetic.write(f"{folder}/castings", 192, seed=0)
    made = ImageDataGenerator(
        rotation_range=360,
        width_shift_range=0.05,
        height_shift_range=0.05,
        shear_range=0.05,
        zoom_range=0.05,
        horizontal_flip=True,
        vertical_flip=True,
        brightness_range=[0.75, 1.25],
        rescale=1 / 255,
    )
    flow = made.flow_from_directory(
        f"{folder}/castings",
        target_size=(300, 300),
        batch_size=64,
        color_mode="grayscale",
        class_mode="binary",
        seed=1,
    )
    net = keras.Sequential(
        [
            layers.Input((300, 300, 1)),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.MaxPooling2D(2, 2),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.MaxPooling2D(2, 2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    net.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    net.fit(flow, steps_per_epoch=3, epochs=1, verbose=0)
    begun = time.perf_counter()
    net.fit(flow, steps_per_epoch=3, epochs=2, verbose=0)
    print(6 * 64 / (time.perf_counter() - begun))
