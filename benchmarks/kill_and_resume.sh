#!/usr/bin/env bash
# Runs a distillation three times: first without interruption, then killed with SIGKILL at three random moments and
# resumed after each kill, and finally with one thread. Compares all files of the three runs byte for byte, except logs
# and timings.
#
#   benchmarks/kill_and_resume.sh WORK distill --model DIR --task ... (without --output and --threads)
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$1
shift
mkdir -p "$work"
"$root/ingrain" --version >/dev/null  # builds before the time is measured

run() { # folder, flags
  local folder=$1 status=0
  shift
  "$root/ingrain" "$@" --output "$work/$folder" >"$work/$folder.out" 2>>"$work/$folder.err" || status=$?
  echo "$status"
}

same() { # folder
  diff -r -x '*.log' -x log.txt -x timings.json -x run.lock "$work/undisturbed" "$work/$1" &&
    diff "$work/undisturbed.out" "$work/$1.out" &&
    echo "$1: $(find "$work/$1" -type f | wc -l) files, equal to the undisturbed run's"
}

rm -rf "$work"/{undisturbed,killed,one-thread}*
began=$(date +%s%N)
echo "undisturbed, two threads: status $(run undisturbed "$@" --threads 2)"
took=$((($(date +%s%N) - began) / 1000000))
for kill in 1 2 3; do
  "$root/ingrain" "$@" --threads 2 --output "$work/killed" >"$work/killed.out" 2>>"$work/killed.err" &
  process=$!
  wait_ms=$((700 + (RANDOM * 32768 + RANDOM) % (took * kill / 4)))
  sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
  kill -9 "$process" 2>/dev/null && state="killed after $wait_ms ms" || state="had ended before $wait_ms ms"
  wait "$process" 2>/dev/null || true
  echo "$state: $(tail -n 1 "$work/killed.err")"
done
echo "resumed to the end: status $(run killed "$@" --threads 2)"
echo "one thread: status $(run one-thread "$@" --threads 1)"
same killed
same one-thread
