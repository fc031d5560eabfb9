#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages of the groups named (scripts/packages.txt), if any is missing. Asks nothing and starts no
# daemon: while packages are installed, a policy-rc.d forbids it; the machine's own is put back afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for group in "$@"; do
    packages=$(sed -n "s/^$group[[:space:]]\+//p" scripts/packages.txt)
    [ -n "$packages" ] || { echo "packages.sh: no group named '$group' in scripts/packages.txt" >&2; exit 2; }
    for package in $packages; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "packages.sh: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
    sudo=sudo
fi

policy=/usr/sbin/policy-rc.d
saved=
if [ -e $policy ]; then
    saved=$(mktemp)
    cp -p $policy "$saved"
fi
restore_policy() {
    if [ -n "$saved" ]; then
        $sudo cp -p "$saved" $policy
        rm -f "$saved"
    else
        $sudo rm -f $policy
    fi
}
trap restore_policy EXIT
printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
$sudo chmod 755 $policy

echo "installing: ${missing[*]}"
log=$(mktemp)
install_missing() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
            -o Dpkg::Options::=--force-confold install --no-install-recommends "${missing[@]}"
}
if ! install_missing >"$log" 2>&1 </dev/null; then
    tail -20 "$log" >&2
    echo "packages.sh: installing failed; the whole output is in $log" >&2
    exit 1
fi
rm -f "$log"
