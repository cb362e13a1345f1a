# Sourced by the scripts that run tests with packages from PyPI: `need_packages NAME REQUIREMENTS N_SCRIPTS` brings these
# into build/venv. Without a reachable package index the calling script ends: with 0 and a line that counts the skips, or
# with 1 where CI=true or QUERN_REQUIRE_WORLD=1 forbid them.
need_packages() {
  local name=$1 requirements=$2 n_scripts=$3
  tools/venv.sh "$requirements" && return
  if [ "${CI:-}" = true ] || [ "${QUERN_REQUIRE_WORLD:-}" = 1 ]; then
    echo "quern: [$name] pip could not install $requirements; expected a reachable package index" >&2
    exit 1
  fi
  echo "$name: 0 run, $n_scripts skipped (pip could not install $requirements)"
  exit 0
}
