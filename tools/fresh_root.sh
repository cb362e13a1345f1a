#!/usr/bin/env bash
# tools/fresh_root.sh FOLDER [TARGET...]: proves that a clean clone builds where nothing is prepared. Makes a minimal
# Debian 12 root in FOLDER (kept for the next run if it is there), with make, git, ca-certificates and python3 in it, clones the
# current commit into it, and runs `make TARGET` for each target (default: demo test), with times.
#
# Needs root and debootstrap. Packages come from where this machine's apt takes them; pip's settings and certificates are
# handed on. GOLDEN=DIR makes the recorded results visible inside.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 1 ] || [ "$(id -u)" -ne 0 ]; then
  echo "usage (as root): tools/fresh_root.sh FOLDER [TARGET...]" >&2
  exit 2
fi
mkdir -p "$1"
root=$(realpath "$1")
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(demo test)
tools/setup.sh root
suite=bookworm

# The first mirror that apt would ask for this suite.
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' "Created-By: Packages" 2>/dev/null |
  awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
if [ -z "$mirror" ]; then
  mirror=$(awk -v suite="$suite" '$1 == "URIs:" { uri = $2 } $1 == "Suites:" && index($0, suite) { print uri; exit }
    $1 == "deb" { for (i = 2; i < NF; i++) if ($(i + 1) == suite) { print $i; exit } }' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true)
fi
[ -n "$mirror" ] || { echo "quern: [fresh_root] apt knows no mirror of $suite; expected one in /etc/apt" >&2; exit 1; }

started=$SECONDS
if [ ! -x "$root/usr/bin/python3" ]; then
  debootstrap --variant=minbase --include=make,git,ca-certificates,python3 "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; exit 1; }
  echo "fresh_root: debootstrap: $((SECONDS - started)) s"
fi

cleanup() {
  local point
  for point in golden/shared/golden proc dev/pts dev sys; do
    mountpoint -q "$root/$point" && umount -l "$root/$point"
  done
  return 0
}
trap cleanup EXIT
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"

# The machine's way to the network: resolver, certificates, apt's sources for Debian itself, pip's settings.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/" 2>/dev/null || true
cp -rL /etc/ssl/certs "$root/etc/ssl/" 2>/dev/null || true
cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
[ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$root/etc/"
printf 'deb %s %s main\ndeb %s %s-updates main\n' "$mirror" "$suite" "$mirror" "$suite" >"$root/etc/apt/sources.list"
security=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' "Created-By: Packages" 2>/dev/null |
  awk -v suite="$suite-security" '$2 == suite && $3 == "main" { print $1; exit }')
[ -z "$security" ] || printf 'deb %s %s-security main\n' "$security" "$suite" >>"$root/etc/apt/sources.list"

rm -rf "$root/quern"
git clone --quiet --no-local . "$root/quern"
environment=(HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8)
while IFS='=' read -r name value; do
  case $name in
    PIP_FIND_LINKS) ;; # a folder of this machine
    PIP_* | *_proxy | *_PROXY | SSL_CERT_FILE | SSL_CERT_DIR | REQUESTS_CA_BUNDLE) environment+=("$name=$value") ;;
  esac
done < <(env)
if [ -n "${GOLDEN:-}" ]; then
  mkdir -p "$root/golden/shared/golden"
  mount --bind "$GOLDEN" "$root/golden/shared/golden"
  environment+=(QUERN_GOLDEN=/golden/shared/golden QUERN_REQUIRE_GOLDEN=1)
fi
for target in "${targets[@]}"; do
  started=$SECONDS
  status=0
  chroot "$root" /usr/bin/env -i "${environment[@]}" make -C /quern "$target" </dev/null || status=$?
  echo "fresh_root: make $target: exit $status, $((SECONDS - started)) s"
  [ "$status" -eq 0 ] || exit "$status"
done
