#!/usr/bin/env bash
# tools/setup.sh SET...: makes sure that the Debian packages of each set are installed.
# As root it installs what is missing; otherwise it says in one line what to install. Quick when all is there.
# docs/dependencies.md gives each package's reason.
set -euo pipefail

packages_of() {
  case $1 in
    build)
      echo g++ make cmake ninja-build ccache pkg-config libboost1.81-dev nlohmann-json3-dev libcli11-dev \
        libspdlog-dev libfmt-dev libpcre2-dev libutf8proc-dev libedit-dev libxxhash-dev \
        libgtest-dev libgmock-dev libbenchmark-dev ;;
    python) echo python3 python3-venv ca-certificates ;;
    lint) echo clang-19 clang-format-19 libclang-rt-19-dev ;;
    fuzz) echo clang-19 libclang-rt-19-dev ;;
    coverage) echo clang-19 libclang-rt-19-dev llvm-19 ;;
    root) echo debootstrap ;;
    node) echo nodejs npm ;;
    neon)
      echo g++-aarch64-linux-gnu qemu-user-static libspdlog-dev:arm64 libfmt-dev:arm64 libpcre2-dev:arm64 \
        libutf8proc-dev:arm64 libedit-dev:arm64 libxxhash-dev:arm64 libgtest-dev:arm64 libgmock-dev:arm64 ;;
    avx512) echo libsimde-dev ;;
    *)
      echo "quern: [setup] unknown package set '$1'; expected build, python, lint, fuzz, coverage, root, node, neon or avx512" >&2
      return 2 ;;
  esac
}

wanted=()
for set in "$@"; do
  list=$(packages_of "$set")
  read -ra names <<<"$list"
  wanted+=("${names[@]}")
done
[ ${#wanted[@]} -gt 0 ] || exit 0

if ! command -v dpkg-query >/dev/null; then
  echo "quern: [setup] not a Debian system, nothing checked; expected the equivalents of: ${wanted[*]}" >&2
  exit 0
fi

# dpkg-query exits 1 when any name is unknown, which is one of the answers looked for.
installed=$(dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' "${wanted[@]}" 2>/dev/null || true)
missing=()
for name in "${wanted[@]}"; do
  grep -qE "^installed ${name//+/\\+}(:|$)" <<<"$installed" || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

foreign=()
[[ ${missing[*]} != *:arm64* ]] || foreign=(dpkg --add-architecture arm64)
if [ "$(id -u)" -ne 0 ]; then
  hint=${foreign[*]:+"sudo ${foreign[*]} && sudo apt-get update && "}
  echo "quern: [setup] packages are missing; expected: ${hint}sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi
echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt_get() { apt-get -qq -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${foreign[@]:-true}" && apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
  tail -n 20 "$log" >&2
  echo "quern: [setup] apt-get could not install ${missing[*]}; expected a Debian 12 with reachable mirrors" >&2
  exit 1
fi
