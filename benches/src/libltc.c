/* libltc at work, for the comparison: see libltc.rs.
 *
 *   libltc decode-f32|decode-i16|encode SIGNAL
 *
 * SIGNAL is a file of 32-bit floating point samples, 48 kHz, LTC at 30000/1001 frames a second. Prints the library's
 * version; then, for each line of standard input: a number of passes, after which it prints the nanoseconds of
 * processor time that they took; or "labels", after which it prints the labels found in one pass and an empty line.
 */
#define _POSIX_C_SOURCE 199309L
#include <ltc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SAMPLE_RATE = 48000, PIECE = 1024 };

static float *samples;
static short *integers;
static size_t count;
/* So that nothing is left out by the compiler. */
static volatile unsigned long seen;

static void take_labels(LTCDecoder *decoder, int print)
{
    LTCFrameExt frame;
    SMPTETimecode label;
    while (ltc_decoder_read(decoder, &frame)) {
        ltc_frame_to_time(&label, &frame.ltc, 0);
        seen += label.frame;
        if (print)
            printf("%d:%d:%d:%d\n", label.hours, label.mins, label.secs, label.frame);
    }
}

static void decode(int as_integers, int print)
{
    LTCDecoder *decoder = ltc_decoder_create(SAMPLE_RATE * 1001 / 30000, 64);
    for (size_t at = 0; at < count; at += PIECE) {
        size_t length = count - at < PIECE ? count - at : PIECE;
        if (as_integers)
            ltc_decoder_write_s16(decoder, integers + at, length, (ltc_off_t)at);
        else
            ltc_decoder_write_float(decoder, samples + at, length, (ltc_off_t)at);
        take_labels(decoder, print);
    }
    ltc_decoder_free(decoder);
}

static void encode(void)
{
    LTCEncoder *encoder = ltc_encoder_create(SAMPLE_RATE, 30000.0 / 1001.0, LTC_TV_525_60, 0);
    SMPTETimecode start = {.mins = 59, .secs = 30};
    ltcsnd_sample_t *made;
    ltc_encoder_set_timecode(encoder, &start);
    ltc_encoder_set_user_bits(encoder, 0x13579bdfUL);
    for (size_t at = 0; at < count;) {
        ltc_encoder_encode_frame(encoder);
        int length = ltc_encoder_get_bufferptr(encoder, &made, 1);
        seen += made[length / 2];
        at += (size_t)length;
        ltc_encoder_inc_timecode(encoder);
    }
    ltc_encoder_free(encoder);
}

static long long processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int read_signal(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    fseek(file, 0, SEEK_END);
    count = (size_t)ftell(file) / sizeof *samples;
    rewind(file);
    samples = malloc(count * sizeof *samples);
    integers = malloc(count * sizeof *integers);
    if (!samples || !integers || fread(samples, sizeof *samples, count, file) != count)
        return 0;
    fclose(file);
    for (size_t i = 0; i < count; i++)
        integers[i] = (short)(samples[i] * 32768.0f);
    return 1;
}

int main(int argc, char **argv)
{
    char line[64];
    if (argc != 3 || !read_signal(argv[2]))
        return 2;
    int as_integers = strcmp(argv[1], "decode-i16") == 0;
    int encodes = strcmp(argv[1], "encode") == 0;
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    printf("%s\n", LIBLTC_VERSION);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (line[0] == 'l') {
            if (!encodes)
                decode(as_integers, 1);
            printf("\n");
        } else {
            long long begin = processor_time();
            for (long passes = strtol(line, NULL, 10); passes > 0; passes--) {
                if (encodes)
                    encode();
                else
                    decode(as_integers, 0);
            }
            printf("%lld\n", processor_time() - begin);
        }
        fflush(stdout);
    }
    return 0;
}
