"""ONNX graphs of scikit-learn classifiers: matrix products written here, or from skl2onnx."""
