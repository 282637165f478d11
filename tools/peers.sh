#!/usr/bin/env bash
# Install the original programs that the interop tests and benchmarks talk with.
# Nothing is installed that is already there; no service is left running.
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# command:package. Our own commands may stand earlier in PATH, so only the system's folders count.
wanted=(
  kcptun-client:kcptun kcptun-server:kcptun
  ss-local:shadowsocks-libev ss-server:shadowsocks-libev v2ray:v2ray
  curl:curl dig:bind9-dnsutils wrk:wrk nginx:nginx-light openssl:openssl setpriv:util-linux
  ip:iproute2 iptables:iptables ip6tables:iptables chromium:chromium
)
missing=()
for pair in "${wanted[@]}"; do
  PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin command -v "${pair%%:*}" >/dev/null ||
    missing+=("${pair##*:}")
done
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)

if [ "${#missing[@]}" -gt 0 ]; then
  echo "== installing ${missing[*]}"
  tools/apt-install.sh "${missing[@]}"
  # They would start with the machine otherwise; there may be no systemd here.
  for service in shadowsocks-libev v2ray nginx; do
    if command -v systemctl >/dev/null && [[ " ${missing[*]} " == *" $service"* ]]; then
      as_root systemctl disable --quiet --now "$service" 2>/dev/null || true
    fi
  done
fi

# 3.3.0 is the newest on npm; 2.5.3 speaks the older configuration and wire.
for version in 3.3.0 2.5.3; do
  folder=.peers/blinksocks-$version
  if [ ! -e "$folder/complete" ]; then
    echo "== installing blinksocks $version"
    mkdir -p "$folder"
    # npm waits for ever if a connection goes silent at the wrong moment; it takes some seconds otherwise.
    for attempt in 1 2 3; do
      timeout 120 npm install --prefix "$folder" --no-audit --no-fund --loglevel=error "blinksocks@$version" &&
        touch "$folder/complete" && break
      echo "npm did not finish, attempt $attempt of 3" >&2
    done
    [ -e "$folder/complete" ] || exit 1
  fi
done

# A kcptun of 2026 from the current libraries; Debian's Go is too old for them.
modern=tests/interop/modern
if [ ! -e .peers/modern ] || [ -n "$(find $modern -newer .peers/modern)" ]; then
  if ! command -v go >/dev/null; then
    echo "$modern needs Go 1.25 or newer, see https://go.dev/dl" >&2
    exit 1
  fi
  echo "== building $modern"
  # Into a new file first: tests that run the old one may go on.
  (cd $modern && CGO_ENABLED=0 go build -trimpath -buildvcs=false -o ../../../.peers/modern.new .)
  mv .peers/modern.new .peers/modern
fi
