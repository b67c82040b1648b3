//! genlock for Python: timecode labels, LTC from samples, camera packets from bytes.
//!
//! The crates know nothing of Python; this is all it takes to offer them there.

use camera_packet::codec::{self, DecoderConfig};
use camera_packet::message::Message;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use smpte_timecode::ltc;
use smpte_timecode::{Rate, Timecode};

#[pymodule]
fn genlock(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Label>()?;
    module.add_class::<LtcDecoder>()?;
    module.add_class::<PacketDecoder>()
}

fn value_error(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// Timecode("01:00:00;00", "29.97df"): a label of a day at a rate.
#[pyclass(name = "Timecode", frozen, eq, ord)]
#[derive(Clone, PartialEq, PartialOrd)]
struct Label(Timecode);

#[pymethods]
impl Label {
    #[new]
    fn new(label: &str, rate: &str) -> PyResult<Self> {
        let rate: Rate = rate.parse().map_err(value_error)?;
        Timecode::parse(label, rate).map(Self).map_err(value_error)
    }

    /// The label of a frame count; counts beyond a day wrap.
    #[staticmethod]
    fn from_frame(frame: i64, rate: &str) -> PyResult<Self> {
        Ok(Self(Timecode::from_frame(rate.parse().map_err(value_error)?, frame)))
    }

    /// Frames since midnight.
    #[getter]
    fn frame(&self) -> u32 {
        self.0.frame()
    }

    /// The name of the rate.
    #[getter]
    fn rate(&self) -> String {
        self.0.rate().to_string()
    }

    /// Real time since midnight, exactly: (numerator, denominator) in seconds.
    fn seconds(&self) -> (i128, u64) {
        let time = self.0.real_time();
        (time.numerator(), time.denominator())
    }

    fn __add__(&self, frames: i64) -> Self {
        Self(self.0 + frames)
    }

    /// Frames to another label of the same rate, or the label so many frames before.
    fn __sub__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        if let Ok(other) = other.cast::<Self>() {
            let other = other.get().0;
            if other.rate() != self.0.rate() {
                return Err(PyValueError::new_err("labels of two rates have no distance in frames"));
            }
            let distance = i64::from(self.0.frame()) - i64::from(other.frame());
            return Ok(distance.into_pyobject(py)?.into_any().unbind());
        }
        let frames: i64 =
            other.extract().map_err(|_| PyTypeError::new_err("a Timecode or a number of frames"))?;
        Ok(Self(self.0 - frames).into_pyobject(py)?.into_any().unbind())
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Timecode('{}', '{}')", self.0, self.0.rate())
    }
}

/// LtcDecoder(48000): finds the words of linear timecode in samples.
#[pyclass]
struct LtcDecoder(ltc::Decoder);

#[pymethods]
impl LtcDecoder {
    #[new]
    fn new(sample_rate: u32) -> PyResult<Self> {
        ltc::Decoder::try_new(sample_rate).map(Self).map_err(value_error)
    }

    /// Decodes signed 16-bit samples, little-endian, as the `wave` module reads them. Returns the words that ended.
    fn decode<'py>(&mut self, py: Python<'py>, pcm: &[u8]) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let (pairs, rest) = pcm.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(PyValueError::new_err("half a sample at the end"));
        }
        let samples: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        let mut words = Vec::new();
        self.0.decode(&samples[..], |word| words.push(word));
        words.iter().map(|word| describe(py, word)).collect()
    }

    /// The signal has ended: the words that were held back for what might follow.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut words = Vec::new();
        self.0.finish(|word| words.push(word));
        words.iter().map(|word| describe(py, word)).collect()
    }
}

fn describe<'py>(py: Python<'py>, word: &ltc::DecodedWord) -> PyResult<Bound<'py, PyDict>> {
    let fields = word.fields();
    let dict = PyDict::new(py);
    dict.set_item("fields", (fields.hours, fields.minutes, fields.seconds, fields.frames))?;
    dict.set_item("user_bits", format!("{:08x}", word.user_bits()))?;
    dict.set_item("start_sample", word.start.sample())?;
    dict.set_item("end_sample", word.end.sample())?;
    dict.set_item("reverse", word.reverse)?;
    dict.set_item("confidence", word.confidence)?;
    Ok(dict)
}

/// PacketDecoder(): finds the frames of the camera protocol in what a server sends, however it is cut.
#[pyclass]
struct PacketDecoder(codec::Decoder);

#[pymethods]
impl PacketDecoder {
    #[new]
    fn new() -> Self {
        Self(codec::Decoder::new(DecoderConfig::new(codec::Bounds::ANY)))
    }

    /// The frames that became whole: dicts with `id`, `type`, `payload` and, for telemetry, `value` and
    /// `timestamp_ms`.
    fn feed<'py>(&mut self, py: Python<'py>, data: &[u8]) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut frames = Vec::new();
        // No clock: frames of a stream that stands still wait for its next bytes.
        let mut feed = self.0.feed(machine::Instant::from_nanos(0), data);
        while let Some(event) = feed.next() {
            let codec::Event::Frame(frame) = event else { continue };
            let dict = PyDict::new(py);
            dict.set_item("id", frame.kind.id)?;
            dict.set_item("type", frame.kind.ty)?;
            dict.set_item("payload", PyBytes::new(py, frame.payload))?;
            if let Ok(Message::Telemetry(telemetry)) = Message::parse(&frame) {
                dict.set_item("value", telemetry.value)?;
                dict.set_item("timestamp_ms", telemetry.timestamp_ms)?;
            }
            frames.push(dict);
        }
        Ok(frames)
    }
}
