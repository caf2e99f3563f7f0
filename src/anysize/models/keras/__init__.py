"""What ``keras_model`` is made of: Keras files and layers, read without running what they hold."""
