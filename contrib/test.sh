#!/bin/sh
# Runs all tests. On Debian, as root, it first installs the mail servers and
# clients they talk to; elsewhere those tests are skipped and say so.
# Arguments go to go test.
set -eu
cd "$(dirname "$0")/.."

packages="python3-aiosmtpd postfix mutt m4 libwrap0 libnsl2 libldap-2.5-0 libsasl2-2 libdb5.3 libgnutls-dane0 libidn12
  curl swaks libnet-ssleay-perl python3 strace openssl chromium libarchive-tools libmilter-dev gcc libc6-dev
  postgresql mariadb-server slapd fail2ban prometheus wine wine64 systemd
  hylafax-server hylafax-client ghostscript libreoffice-writer-nogui libreoffice-calc-nogui libheif-examples
  fonts-dejavu-core fonts-droid-fallback smstools gammu-smsd gammu kannel kannel-extras
  mandoc man-db systemd-container mmdebstrap lintian libevent-2.1-7 haproxy"

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  missing=
  for p in $packages; do
    case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
      *"ok installed") ;;
      *) missing="$missing $p" ;;
    esac
  done
  if [ -n "$missing" ]; then
    apt-get update -q >&2
    known=
    for p in $missing; do # some names are of one Debian release only
      if apt-cache show "$p" >/dev/null 2>&1; then known="$known $p"; fi
    done
    echo "installing:$known" >&2
    policy=/usr/sbin/policy-rc.d # the tests start their own servers
    if [ -e $policy ]; then policy=; else printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy; fi
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $known </dev/null >&2
    if [ -n "$policy" ]; then rm $policy; fi
  fi
else
  echo "not root on Debian: tests with real mail servers are skipped" >&2
fi
status=0
go test "$@" ./... || status=$?
cd contrib/cluster # a module of its own
go test "$@" ./... || status=$?
exit "$status"
