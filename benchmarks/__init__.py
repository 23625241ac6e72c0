"""Speed and accuracy, measured against bare decoding, other libraries and published truth."""
