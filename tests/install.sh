#!/bin/sh
# Checks "make install" and "make uninstall" below a DESTDIR: everything in its
# place and nowhere else, the user's configuration never touched, nothing left behind.
set -eu
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
shipped=$TOP_SRCDIR/etc/allowd.yaml
config=$root/etc/allowd.yaml
faults=0

fault() {
    echo "install: $*" >&2
    faults=$((faults + 1))
}

# What an outer make was told about variables is not meant for this one.
run_make() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL \
        make -s DESTDIR="$root" prefix=/opt/allowd sysconfdir=/etc "$@" >/dev/null || fault "make $* failed"
}

files() {
    (cd "$root" && find . ! -type d | LC_ALL=C sort)
}

expect_same() {
    cmp -s "$1" "$2" || fault "$3: $2 is not as $1"
}

run_make install
"$root/opt/allowd/sbin/allowd" -t -c "$config" || fault "the installed allowd does not take the installed file"
expect_same "$shipped" "$config" "a first install"
[ "$(stat -c %a "$config")" = 644 ] || fault "the configuration has mode $(stat -c %a "$config")"
for file in share/man/man8/allowd.8 share/man/man5/allowd.yaml.5 share/man/man7/allowd-http.7 share/man/man7/allowd-fleet.7 \
    share/man/man7/allowd-callers.7 share/man/man7/allowd-clients.7 share/man/man7/allowd-migrating.7 share/man/man7/allowd-resp.7 share/doc/allowd/examples/nginx.conf share/bash-completion/completions/allowd; do
    [ -f "$root/opt/allowd/$file" ] || fault "$file is not installed"
done
if [ -x allowctl ]; then
    [ "$("$root/opt/allowd/bin/allowctl" -V)" = "allowctl $("$root/opt/allowd/sbin/allowd" -V | cut -d' ' -f2)" ] ||
        fault "the installed allowctl does not tell the version of allowd"
    for file in share/man/man8/allowctl.8 share/bash-completion/completions/allowctl share/zsh/site-functions/_allowctl; do
        [ -f "$root/opt/allowd/$file" ] || fault "$file is not installed"
    done
fi
elsewhere=$(files | grep -vE '^\./(opt/allowd|etc)/' || true)
[ -z "$elsewhere" ] || fault "outside of prefix and sysconfdir: $elsewhere"
installed=$(files)

run_make install
[ "$(files)" = "$installed" ] || fault "a second install made other files: $(files)"

echo '# mine' >>"$config"
chmod 600 "$config"
cp -p "$config" "$root/mine"
run_make install
expect_same "$root/mine" "$config" "an install over a changed configuration"
[ "$(stat -c %a "$config")" = 600 ] || fault "an install changed the mode of the configuration"
expect_same "$shipped" "$config.new" "an install over a changed configuration"

cp "$shipped" "$config"
run_make install
[ ! -e "$config.new" ] || fault "allowd.yaml.new outlives the difference"

# Somebody's link is somebody's configuration, even when what it leads to is away.
rm "$config"
ln -s ../mine "$config"
run_make install
[ -h "$config" ] || fault "an install replaced a link"
ln -sf /nonexistent/allowd.yaml "$config"
run_make install
[ "$(readlink "$config")" = /nonexistent/allowd.yaml ] || fault "an install replaced a link that leads nowhere"
rm "$config"
mv "$root/mine" "$config"

run_make uninstall
[ "$(files)" = ./etc/allowd.yaml ] || fault "after uninstall, of a changed configuration, there is: $(files)"
for directory in share/doc/allowd share/allowd; do
    [ ! -e "$root/opt/allowd/$directory" ] || fault "uninstall left $directory, which is ours alone"
done
rm "$config"

run_make install
run_make uninstall
[ -z "$(files)" ] || fault "after install and uninstall there is: $(files)"

[ "$faults" -eq 0 ] || exit 1
echo "install: $(echo "$installed" | wc -l) files go where they belong, and away again"
