"""ONNX graphs of scikit-learn classifiers: written here as matrix products, or skl2onnx's own."""
