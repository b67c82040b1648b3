#!/usr/bin/env bash
# What the lints cannot say: licences, dependency budgets, file lengths, and no clock or socket in a protocol crate.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=0
fail() {
    echo "FAILED: $*"
    failed=1
}

# The protocol crates: every crate but the driver, which is where clocks and sockets live.
crates=$(sed -n '/^members/,/^]/s#^ *"crates/\(.*\)",#\1#p' Cargo.toml | grep -v '^driver$')

# Licences that ask for no more than a notice. IJG is that of the JPEG group's own library, parts of which jpeg-encoder is
# after: documentation of programs that use it shall say that it is based in part on their work.
allowed='^(MIT|Apache-2\.0|Apache-2\.0 WITH LLVM-exception|BSD-1-Clause|BSD-2-Clause|BSD-3-Clause|ISC|Zlib|Unicode-3\.0|CC0-1\.0|0BSD|BSL-1\.0|Unlicense|MIT-0|IJG)$'
while IFS=$'\t' read -r package licence; do
    ok=false
    # An expression passes if all parts of one of its alternatives pass.
    while IFS= read -r alternative; do
        all=true
        while IFS= read -r part; do
            part=$(echo "$part" | tr -d '()' | sed 's/^ *//; s/ *$//')
            [[ $part =~ $allowed ]] || all=false
        done < <(echo "$alternative" | sed 's/ AND /\n/g')
        $all && ok=true
    done < <(echo "$licence" | sed 's/ OR /\n/g; s#/#\n#g')
    $ok || fail "$package has the licence '$licence'"
done < <(cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" |
    tr '{' '\n' | sed -n 's/^"name":"\([^"]*\)","version":"[^"]*","id":"[^"]*","license":"\([^"]*\)".*/\1\t\2/p')

# At most 5 direct dependencies and 20 in all.
for crate in $crates; do
    # The contract belongs to the family and is not counted as foreign.
    direct=$(cargo tree --locked --manifest-path "crates/$crate/Cargo.toml" -e normal --depth 1 --prefix none --no-dedupe | sed '1d; /^machine /d' | sort -u | wc -l)
    all=$(cargo tree --locked --manifest-path "crates/$crate/Cargo.toml" -e normal --prefix none | sed 's/ (\*)$//; 1d' | sort -u | wc -l)
    [ "$direct" -le 5 ] || fail "$crate has $direct direct dependencies; 5 are allowed"
    [ "$all" -le 20 ] || fail "$crate has $all dependencies in all; 20 are allowed"
    echo "$crate: $direct direct dependencies, $all in all"
done

# One file, one thing: at most 600 lines before its tests.
while IFS= read -r file; do
    lines=$(awk '/^#\[cfg\(test\)\]/ { exit } { n++ } END { print n + 0 }' "$file")
    [ "$lines" -le 600 ] || fail "$file has $lines lines before its tests; split it"
done < <(git ls-files '*.rs' ':!tests' ':!*/tests/*')
while IFS= read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 150 ] || fail "$file has $lines lines; a program's main file has at most 150"
done < <(git ls-files 'bins/*/src/bin/*.rs' 'bins/*/src/main.rs')

# No clock, socket, thread or randomness in a protocol crate.
for crate in $crates; do
    hits=$(git grep -nE 'Instant::now|SystemTime|std::net::(Tcp|Udp)|tokio|thread::(spawn|sleep)|thread_rng|getrandom|std::fs' \
        -- "crates/$crate/src" | grep -vE ':[0-9]+:\s*//' || true)
    [ -z "$hits" ] || fail "a clock, socket, thread or file is named in $crate:"$'\n'"$hits"
done

[ "$failed" = 0 ] && echo "policy holds"
exit "$failed"
