#!/bin/sh
# jq 1.6 -a (Debian 12, 1.6-2.1+deb12u3), which writes JSON in ASCII, and libyaml 0.2.5, which is given it for
# YAML: a character above U+FFFF, written as the pair of escapes that JSON has for it, is refused as an
# invalid escape. The same text without -a is read, and so is one escape for a character below.
#
# JSON is said to be YAML, and one would guess that what a JSON writer of any kind puts out can be given
# to whatever reads YAML. YAML has one escape of eight digits for such a character, "\U", and does not know
# pairs. Many writers escape by default; one that is to write for a YAML reader must be told not to.
#
# Needs apt, dpkg-deb, python3 and libonig5; takes 10 seconds. Output on Debian 12.11:
#
#   jq 1.6, libyaml 0.2.5
#   jq -a, U+00E9: "\u00e9" - fine
#   jq -a, U+1F600: "\ud83d\ude00" - found invalid Unicode character escape code
#   jq, U+1F600: 6 bytes - fine
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in jq=1.6-2.1+deb12u3 libjq1=1.6-2.1+deb12u3 libyaml-0-2=0.2.5-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%=*}"_*.deb .
done

cat >read.py <<'END'
import ctypes
import glob
import os
import subprocess

STREAM_END = 2
LIBRARIES = os.path.abspath(os.path.dirname(glob.glob("usr/lib/*/libjq.so.1")[0]))
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}
libyaml = ctypes.CDLL(glob.glob("usr/lib/*/libyaml-0.so.2")[0])
libyaml.yaml_get_version_string.restype = ctypes.c_char_p


def judgement(text):
    """None if libyaml reads the text to its end, or else the problem it names."""
    parser = ctypes.create_string_buffer(4096)  # larger than a yaml_parser_t: error, then problem, come first
    event = ctypes.create_string_buffer(1024)
    assert libyaml.yaml_parser_initialize(parser)
    libyaml.yaml_parser_set_input_string(parser, text, ctypes.c_size_t(len(text)))
    while libyaml.yaml_parser_parse(parser, event):
        if ctypes.c_int.from_buffer(event).value == STREAM_END:
            return None
        libyaml.yaml_event_delete(event)
    return ctypes.c_char_p.from_buffer(parser, 8).value.decode()


def jq(text, *options):
    done = subprocess.run(["usr/bin/jq", *options], env=ENVIRONMENT, input=text, stdout=subprocess.PIPE, check=True)
    return done.stdout.strip()


version = jq(b"", "--version").decode().replace("-", " ")
print(f"{version}, libyaml {libyaml.yaml_get_version_string().decode()}")
for character, options in ("\u00e9", ["-a"]), ("\U0001f600", ["-a"]), ("\U0001f600", []):
    written = jq(f'"{character}"'.encode(), ".", *options)
    shown = written.decode() if written.isascii() else f"{len(written)} bytes"
    print(f"{' '.join(['jq', *options])}, U+{ord(character):04X}: {shown} - {judgement(written) or 'fine'}")
END
python3 read.py | tee seen

cat >expected <<'END'
jq 1.6, libyaml 0.2.5
jq -a, U+00E9: "\u00e9" - fine
jq -a, U+1F600: "\ud83d\ude00" - found invalid Unicode character escape code
jq, U+1F600: 6 bytes - fine
END
cmp -s seen expected || { echo "$0: they agree now, or disagree otherwise" >&2; exit 1; }
