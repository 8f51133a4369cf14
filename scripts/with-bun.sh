#!/bin/sh
# Runs bun from this package with the given arguments, installing the package's dependencies first when they are absent.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
bun="$root/node_modules/.bin/bun"
if [ ! -e "$bun" ] || [ "$root/package.json" -nt "$root/node_modules/.installed" ]; then
  cd "$root"
  if command -v npm >/dev/null 2>&1; then
    npm ci --no-audit --no-fund >&2
  elif command -v bun >/dev/null 2>&1; then
    bun install >&2
  else
    echo "Cannot install the dependencies: neither npm nor bun is on the PATH; install Node.js with npm, or bun" >&2
    exit 1
  fi
  : >"$root/node_modules/.installed"
  cd - >/dev/null
fi
PATH="$root/node_modules/.bin:$PATH"
export PATH
exec "$bun" "$@"
