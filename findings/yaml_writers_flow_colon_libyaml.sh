#!/bin/sh
# npm js-yaml 5.5.0 and yaml 2.9.1 write the list of 127.0.0.1 and ::1 in flow style without quotes,
# [127.0.0.1, ::1], and libyaml 0.2.5, which most of C, Python's fast loader, Ruby and Perl read
# with, refuses it. In block style, "- ::1", it takes the same text.
#
# One would guess that a scalar which is plain in one style is plain in the other, or that one of the
# writers quotes it. YAML 1.2 allows a plain scalar to begin with a colon that a printing character
# follows, in flow as in block; libyaml reads ":" in flow as the end of a key even then. So a
# configuration with IPv6 addresses that begin with "::" that such a program has written must be in
# block style, or must have been quoted, before a C program reads it.
#
# Needs apt, dpkg-deb, python3, npm and node; takes 10 seconds. Output on Debian 12.11, node 20.20:
#
#   js-yaml 5.5.0 and yaml 2.9.1 each read back what both wrote
#   js-yaml flow: t: [127.0.0.1, ::1] - libyaml 0.2.5: did not find expected node content
#   js-yaml block: t: - 127.0.0.1 - ::1 - libyaml 0.2.5: fine
#   yaml flow: { t: [ 127.0.0.1, ::1 ] } - libyaml 0.2.5: did not find expected node content
#   yaml block: t: - 127.0.0.1 - ::1 - libyaml 0.2.5: fine
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
packages="js-yaml@5.5.0 yaml@2.9.1"
# shellcheck disable=SC2086
npm install --loglevel=error --no-audit --no-fund --ignore-scripts --prefix . $packages >npm.log 2>&1 ||
    { cat npm.log >&2; echo "$0: npm cannot install $packages" >&2; exit 1; }
package=libyaml-0-2=0.2.5-1
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x libyaml-0-2_*.deb .

cat >write.mjs <<'END'
import assert from 'node:assert'
import fs from 'node:fs'
import * as js from 'js-yaml'
import * as yaml from 'yaml'

const value = { t: ['127.0.0.1', '::1'] }
const texts = {
  'js-yaml flow': js.dump(value, { flowLevel: 1 }),
  'js-yaml block': js.dump(value),
  'yaml flow': yaml.stringify(value, { collectionStyle: 'flow' }),
  'yaml block': yaml.stringify(value)
}
for (const text of Object.values(texts)) {
  assert.deepEqual(js.load(text), value)
  assert.deepEqual(yaml.parse(text), value)
}
fs.writeFileSync('texts.json', JSON.stringify(texts))
const version = name => JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version
console.log(`js-yaml ${version('js-yaml')} and yaml ${version('yaml')} each read back what both wrote`)
END
cat >read.py <<'END'
import ctypes
import glob
import json

STREAM_END = 2
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


for writer, text in json.load(open("texts.json")).items():
    said = judgement(text.encode()) or "fine"
    print(f"{writer}: {' '.join(text.split())} - libyaml {libyaml.yaml_get_version_string().decode()}: {said}")
END
{ node write.mjs && python3 read.py; } | tee seen

cat >expected <<'END'
js-yaml 5.5.0 and yaml 2.9.1 each read back what both wrote
js-yaml flow: t: [127.0.0.1, ::1] - libyaml 0.2.5: did not find expected node content
js-yaml block: t: - 127.0.0.1 - ::1 - libyaml 0.2.5: fine
yaml flow: { t: [ 127.0.0.1, ::1 ] } - libyaml 0.2.5: did not find expected node content
yaml block: t: - 127.0.0.1 - ::1 - libyaml 0.2.5: fine
END
cmp -s seen expected || { echo "$0: they agree now, or disagree otherwise" >&2; exit 1; }
