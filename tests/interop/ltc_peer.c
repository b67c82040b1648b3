/* The other side of the LTC interoperability tests: libltc.
 *
 *   ltc_peer encode FPS FLAGS STANDARD DROP HH MM SS FF USER_BITS_HEX YYMMDD|- ZONE WORDS   writes 8-bit samples, 48 kHz
 *   ltc_peer decode                                                                       reads 16-bit samples, 48 kHz
 *
 * decode prints one line a word: HH MM SS FF DROP USER_BITS_HEX REVERSE START END YYMMDD ZONE
 */
#include <ltc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int encode(char **a)
{
    double fps = atof(a[0]);
    int flags = atoi(a[1]);
    LTCEncoder *e = ltc_encoder_create(48000, fps, (enum LTC_TV_STANDARD)atoi(a[2]), flags);
    if (!e) return 1;
    SMPTETimecode t;
    memset(&t, 0, sizeof t);
    t.hours = atoi(a[4]), t.mins = atoi(a[5]), t.secs = atoi(a[6]), t.frame = atoi(a[7]);
    if (a[9][0] != '-') {
        int date = atoi(a[9]);
        t.years = date / 10000, t.months = date / 100 % 100, t.days = date % 100;
        strncpy(t.timezone, a[10], 5);
    }
    ltc_encoder_set_timecode(e, &t);
    if (a[9][0] == '-') ltc_encoder_set_user_bits(e, strtoul(a[8], NULL, 16));
    LTCFrame frame;
    ltc_encoder_get_frame(e, &frame);
    frame.dfbit = atoi(a[3]); /* libltc sets it for any 29.97 */
    ltc_frame_set_parity(&frame, (enum LTC_TV_STANDARD)atoi(a[2]));
    ltc_encoder_set_frame(e, &frame);
    for (int n = atoi(a[11]); n > 0; n--) {
        ltc_encoder_encode_frame(e);
        int len;
        ltcsnd_sample_t *buffer = ltc_encoder_get_bufptr(e, &len, 1);
        fwrite(buffer, 1, len, stdout);
        ltc_encoder_inc_timecode(e);
    }
    ltc_encoder_free(e);
    return 0;
}

static int decode(void)
{
    LTCDecoder *d = ltc_decoder_create(1920, 64);
    int16_t samples[512];
    ltc_off_t at = 0;
    size_t n;
    while ((n = fread(samples, sizeof *samples, 512, stdin)) > 0) {
        ltc_decoder_write_s16(d, samples, n, at);
        at += n;
        LTCFrameExt word;
        while (ltc_decoder_read(d, &word)) {
            SMPTETimecode t;
            ltc_frame_to_time(&t, &word.ltc, LTC_USE_DATE);
            printf("%d %d %d %d %d %08lx %d %lld %lld %02d%02d%02d %s\n", t.hours, t.mins, t.secs, t.frame,
                word.ltc.dfbit, ltc_frame_get_user_bits(&word.ltc), word.reverse, (long long)word.off_start,
                (long long)word.off_end, t.years, t.months, t.days, t.timezone[0] ? t.timezone : "-");
        }
    }
    ltc_decoder_free(d);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 14 && !strcmp(argv[1], "encode")) return encode(argv + 2);
    if (argc == 2 && !strcmp(argv[1], "decode")) return decode();
    return 2;
}
