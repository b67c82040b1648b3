"""python -m unittest: what the README shows, and what goes wrong."""

import math
import struct
import unittest
import wave
from fractions import Fraction
from pathlib import Path

from genlock import LtcDecoder, PacketDecoder, Timecode

RECORDING = Path(__file__).parents[3] / "bins" / "studio" / "data" / "ltc-25.wav"


class TestTimecode(unittest.TestCase):
    def test_drop_frame(self):
        label = Timecode("00:00:59;29", "29.97df")
        self.assertEqual(str(label + 1), "00:01:00;02")
        self.assertEqual(label + 1 - label, 1)
        self.assertEqual(str(Timecode.from_frame(107892, "29.97df")), "01:00:00;00")
        self.assertEqual(repr(label), "Timecode('00:00:59;29', '29.97df')")

    def test_real_time_is_exact(self):
        label = Timecode("01:00:00:00", "29.97")
        self.assertEqual(Fraction(*label.seconds()), Fraction(108000 * 1001, 30000))

    def test_order(self):
        self.assertLess(Timecode("10:00:00:00", "25"), Timecode("10:00:00:01", "25"))
        self.assertNotEqual(Timecode("10:00:00:00", "25"), Timecode("10:00:00:00", "30"))

    def test_what_is_wrong_is_said(self):
        with self.assertRaisesRegex(ValueError, "frame"):
            Timecode("10:00:00:25", "25")
        with self.assertRaises(ValueError):
            Timecode("10:00:00:00", "nothing")
        with self.assertRaises(ValueError):
            Timecode("10:00:00:00", "25") - Timecode("10:00:00:00", "30")
        with self.assertRaises(TypeError):
            Timecode("10:00:00:00", "25") - "1"


class TestLtc(unittest.TestCase):
    def test_a_recording_in_pieces(self):
        with wave.open(str(RECORDING)) as recording:
            decoder = LtcDecoder(recording.getframerate())
            words = []
            while pcm := recording.readframes(1000):
                words += decoder.decode(pcm)
        words += decoder.finish()
        # Twenty seconds at 25, from 10:00:00:00 on.
        self.assertEqual(len(words), 500)
        self.assertEqual(words[0]["fields"], (10, 0, 0, 0))
        self.assertEqual(words[-1]["fields"], (10, 0, 19, 24))
        self.assertFalse(any(word["reverse"] for word in words))

    def test_other_sound_is_no_timecode(self):
        tone = b"".join(struct.pack("<h", int(9000 * math.sin(n / 9))) for n in range(48000))
        decoder = LtcDecoder(48000)
        self.assertEqual(decoder.decode(tone) + decoder.finish(), [])
        with self.assertRaisesRegex(ValueError, "half a sample"):
            decoder.decode(b"\x00")


class TestPackets(unittest.TestCase):
    TELEMETRY = bytes.fromhex("00ff010000090500000190b1c2d3e4")

    def test_in_every_cut(self):
        frame = self.TELEMETRY + bytes([self.checksum(self.TELEMETRY)])
        stream = b"noise" + frame * 3
        for cut in range(len(stream)):
            decoder = PacketDecoder()
            found = decoder.feed(stream[:cut]) + decoder.feed(stream[cut:])
            self.assertEqual([f["value"] for f in found], [5, 5, 5], cut)
            self.assertEqual(found[0]["timestamp_ms"], 0x190B1C2D3E4)
            self.assertEqual((found[0]["id"], found[0]["type"], len(found[0]["payload"])), (1, 0, 9))

    @staticmethod
    def checksum(data):
        total = 0
        for byte in data:
            total ^= byte
        return total


if __name__ == "__main__":
    unittest.main()
