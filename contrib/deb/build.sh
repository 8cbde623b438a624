#!/bin/sh
# Builds smtpreceiver_VERSION_ARCH.deb into the working directory:
#
#   sh contrib/deb/build.sh [VERSION]
#
# The version is that of the program unless given. GOARCH chooses another
# architecture, DEBFULLNAME and DEBEMAIL the maintainer, who is the author of
# the last commit otherwise. The same commit gives the same bytes.
set -eu
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
to=$PWD
cd "$(dirname "$0")/../.."
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

release=${1:-$(sed -n 's/^var release = "\(.*\)"$/\1/p' cmd/smtpreceiver/version.go)}
# What comes before a release sorts before it: 1.0.0-rc1 is 1.0.0~rc1.
VERSION=$(echo "$release" | tr - '~')
ARCH=${GOARCH:-$(go env GOARCH)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
MAINTAINER="${DEBFULLNAME:-$(git log -1 --format=%an)} <${DEBEMAIL:-$(git log -1 --format=%ae)}>"
STAGE=$stage
export VERSION ARCH SOURCE_DATE_EPOCH MAINTAINER STAGE
umask 022

compile() { CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.release=$release" -o "$1" ./cmd/smtpreceiver; }
GOOS=linux GOARCH=$ARCH compile "$stage/smtpreceiver"
unset GOARCH
here=$stage/smtpreceiver # a program that runs on this machine
if [ "$ARCH" != "$(go env GOARCH)" ]; then
  here=$stage/here
  compile "$here"
fi
for shell in bash zsh fish; do "$here" completion $shell >"$stage/completion.$shell"; done

for page in contrib/man/*.[58]; do gzip -9n <"$page" >"$stage/$(basename "$page").gz"; done
gzip -9n <contrib/CHANGES.md >"$stage/changelog.gz"
gzip -9n >"$stage/changelog.Debian.gz" <<EOF
smtpreceiver ($VERSION-1) unstable; urgency=medium

  * Built from commit $(git rev-parse HEAD).

 -- $MAINTAINER  $(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a, %d %b %Y %H:%M:%S +0000')
EOF

# Handbook, recipes and examples: all of contrib but Go programs, what is for
# other systems or for work on the source, and what is packaged in its own place.
mkdir "$stage/doc"
git ls-files contrib | grep -vE '\.go$|/testdata/|\.sh$|\.service$|^contrib/(bench|CHANGES|container|deb|HACKING|man|mtatest|windows|systemd/.*[a-z]$)' |
  while read -r file; do
    install -D -m 644 "$file" "$stage/doc/${file#contrib/}"
  done
install -m 644 contrib/systemd/README.md "$stage/doc/systemd.md"

go run "$nfpm" package --config contrib/deb/nfpm.yaml --packager deb --target "$to"
