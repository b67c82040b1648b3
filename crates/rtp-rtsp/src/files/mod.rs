//! Streams in files: the two .Mjpeg formats, and Annex B.
