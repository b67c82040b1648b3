#!/usr/bin/env bash
# Whether each crate could be published, and used by somebody who has nothing else of this workspace:
#
# 1. cargo package takes it: metadata, licence and readme are there, and the archive holds what the crate needs;
# 2. a fresh crate outside the workspace, which depends on it by path, with default-features = false and with defaults,
#    compiles and runs the first program of its README.
#
# Takes some two minutes; not part of .ci/run. Needs no network beyond what the workspace was built with.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
crates=$(sed -n '/^members/,/^]/s#^ *"crates/\(.*\)",#\1#p' Cargo.toml)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export CARGO_NET_OFFLINE=true CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/target}/package-check"

echo "== cargo package"
metadata=$(cargo metadata --no-deps --format-version 1)
for crate in $crates; do
    entry=$(echo "$metadata" | tr '{' '\n' | grep -F "\"name\":\"$crate\",\"version\"" | head -1)
    for field in description license repository readme; do
        echo "$metadata" | grep -qF "\"name\":\"$crate\"" && sed -n '/^\[package\]/,/^\[/p' "crates/$crate/Cargo.toml" | grep -qE "^$field(\.workspace)? *=" ||
            { echo "FAILED: $crate has no $field"; exit 1; }
    done
    for field in keywords categories; do
        grep -qE "^$field *= *\[\"" "crates/$crate/Cargo.toml" || { echo "FAILED: $crate has no $field"; exit 1; }
    done
    [ -n "$entry" ] || { echo "FAILED: $crate is no package"; exit 1; }
done
packages=()
for crate in $crates; do packages+=(-p "path+file://$root/crates/$crate"); done
# All at once, as they depend on each other and none is in a registry. They are compiled below, out of their folders.
cargo package --allow-dirty --no-verify --locked "${packages[@]}"
for crate in $crates; do
    list=$(cargo package --allow-dirty --list -p "path+file://$root/crates/$crate")
    for file in Cargo.toml README.md src/lib.rs; do
        echo "$list" | grep -qxF "$file" || { echo "FAILED: the archive of $crate lacks $file"; exit 1; }
    done
done

echo "== fresh crates"
# The first program of a README, as rustdoc sees it: lines after "# " are part of it and not shown.
program() {
    sed -n '/^```rust$/,/^```$/p' "$1" | awk '/^```$/ { exit } !/^```rust$/ { sub(/^# /, ""); print }'
}
for crate in $crates; do
    for defaults in false true; do
        name=fresh-$crate-$defaults
        mkdir -p "$folder/$name/src"
        features=""
        # README's program is about its features where it says so.
        {
            printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\npublish = false\n\n[dependencies]\n' "$name"
            printf '"%s" = { path = "%s", default-features = %s%s }\n' "$crate" "$root/crates/$crate" "$defaults" "$features"
            printf 'bytes = "1.12"\n'
            case $crate in
                machine) ;;
                driver) printf 'machine = { path = "%s/crates/machine", features = ["sim"] }\n' "$root"
                        printf 'tokio = { version = "1", features = ["rt-multi-thread", "net", "io-util", "time"] }\n' ;;
                *) printf 'machine = { path = "%s/crates/machine", default-features = false }\n' "$root" ;;
            esac
        } >"$folder/$name/Cargo.toml"
        {
            printf 'fn main() {\n    program().expect("the README'"'"'s program ends well");\n}\n\n'
            printf '#[allow(unused_imports)]\nfn program() -> Result<(), Box<dyn std::error::Error>> {\n'
            program "crates/$crate/README.md" | sed 's/^Ok::<.*>(())$//'
            printf '\nOk(())\n}\n'
        } >"$folder/$name/src/main.rs"
    done
done
{
    printf '[workspace]\nresolver = "3"\nmembers = ["*"]\nexclude = ["target"]\n'
} >"$folder/Cargo.toml"
cp Cargo.lock "$folder/Cargo.lock"
for crate in $crates; do
    for defaults in false true; do
        [ -n "$(program "crates/$crate/README.md")" ] || { echo "FAILED: the README of $crate has no program"; exit 1; }
        cargo run --quiet --manifest-path "$folder/Cargo.toml" -p "fresh-$crate-$defaults"
        echo "$crate: README's program ran with default-features = $defaults"
    done
done
echo "every crate can be packaged and used"
