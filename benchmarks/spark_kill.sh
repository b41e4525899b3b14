#!/usr/bin/env bash
# Runs a distillation on one machine and four times on Spark. The first run on Spark is not interrupted. In the second,
# a worker and its executor are killed with SIGKILL. In the third, the driver is killed and the run is resumed. In the
# fourth, speculative execution is on and an executor is stopped with SIGSTOP for 20 s. Compares all files byte for byte
# with those of the run on one machine, except logs and timings. Prints Spark's cost.
#
#   mvn -q package -Dmaven.test.skip=true -pl java/spark,java/cli -am
#   benchmarks/spark_kill.sh WORK distill --model models/lab ... --isa avx2 (without --output and --cluster)
#
# The processes of Spark listen on local addresses only. The two workers, with one core each, have the addresses
# 127.0.0.1 and 127.0.0.2, because Spark starts a speculative task only on a host other than that of the first attempt.
# If SPARK_HOME is not set, Maven makes a folder with Spark's jars (131 MB) in target/spark.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mkdir -p "$1" && cd "$1" && pwd)
shift
cd "$root"
JAVA_HOME=$(.mvn/tools)
export JAVA_HOME=${JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")}
export SPARK_LOCAL_IP=127.0.0.1 OPT_OUT_TRACKING=true
if [[ -z ${SPARK_HOME:-} ]]; then
  SPARK_HOME=$root/target/spark
  [[ -d $SPARK_HOME/jars ]] || mvn -q -B -ntp -f benchmarks/spark_home.xml dependency:copy-dependencies \
    -DincludeScope=compile -DoutputDirectory="$SPARK_HOME/jars"
fi
export SPARK_HOME SPARK_SCALA_VERSION=2.13 SPARK_DAEMON_JAVA_OPTS=-Dspark.master.rest.enabled=false
modules=$(printf '%s:' "$root"/java/*/target/ingrain-{engine,distill,server,spark}.jar)
classpath=$modules$(<java/cli/target/classpath)

one_machine() {
  "$JAVA_HOME/bin/java" --enable-native-access=ALL-UNNAMED -cp "java/cli/target/ingrain-cli.jar:$classpath" \
    org.ingrain.cli.Main "$@"
}

spark_class() { # like bin/spark-class; prints the command without the launcher's first line, with NULs as separators
  "$JAVA_HOME/bin/java" -cp "$SPARK_HOME/jars/*" org.apache.spark.launcher.Main "$@" | tail -n +2
}

start() { # log, class, arguments: starts a process of Spark and sets "started"
  local log=$1 line
  shift
  mapfile -d '' -t line < <(spark_class "$@")
  "${line[@]}" >"$log.out" 2>"$log.err" &
  started=$!
}

worker() { # number: starts a worker
  start "$work/worker-$1" org.apache.spark.deploy.worker.Worker --host "127.0.0.$1" --cores 1 --memory 2g \
    --webui-port 0 --work-dir "$work/worker-$1" "$master"
  workers[$1]=$started
}

submit() { # folder, settings: starts the driver
  local folder=$1
  shift
  start "$work/$folder" org.apache.spark.deploy.SparkSubmit --master "$master" --class org.ingrain.cli.Main \
    --jars "${classpath//:/,}" --driver-memory 1g --conf spark.executor.memory=1g --conf spark.executor.cores=1 \
    --conf spark.ui.enabled=false --conf spark.eventLog.enabled=true --conf spark.eventLog.compress=false \
    --conf spark.eventLog.dir="file://$work/events" "$@" java/cli/target/ingrain-cli.jar "${command[@]}" \
    --cluster spark --output "$work/$folder"
  driver=$started
}

lines() { cat "$1" 2>/dev/null | wc -l; }

await_texts() { # folder, fraction of the samples in per cent: waits until this share of the texts is kept
  local wanted=$(($(lines "$work/one/samples.jsonl") * $2 / 100))
  while (($(lines "$work/$1/samples.jsonl.log") < wanted)); do
    [[ ! -e $work/$1/samples.jsonl ]] || { echo "$1: sampling ended before the kill" >&2; exit 1; }
    kill -0 "$driver" 2>/dev/null || { tail -n 5 "$work/$1.err" >&2; exit 1; }
    sleep 0.1
  done
}

finish() { # folder: waits for the driver and compares
  local status=0
  wait "$driver" || status=$?
  ((status == 0)) || { tail -n 5 "$work/$1.err" >&2; exit 1; }
  diff -r -x '*.log' -x log.txt -x timings.json -x run.lock "$work/one" "$work/$1"
  diff "$work/one.out" "$work/$1.out"
  echo "$1: $(find "$work/$1" -type f | wc -l) files, equal to those of one machine"
}

ticks() { # CPU time of a process and of its ended children, in hundredths of a second
  awk '{ sub(/.*\) /, ""); print $12 + $13 + $14 + $15 }' "/proc/$1/stat" 2>/dev/null || echo 0
}

cluster_ticks() { echo $(($(ticks "$master_process") + $(ticks "${workers[1]}") + $(ticks "${workers[2]}"))); }
wire() { awk '$1 == "lo:" { print $2 }' /proc/net/dev; }

stop_all() {
  for process in ${driver:-} ${master_process:-} "${workers[@]}"; do
    kill -CONT $(pgrep -P "$process") 2>/dev/null || true
    kill "$process" 2>/dev/null || true
  done
}

rm -rf "$work"/{one,undisturbed,worker,driver-killed,executor-stopped,events,master}*
mkdir -p "$work/events"
command=("$@")
workers=()
trap stop_all EXIT

TIMEFORMAT='one machine, one thread: %R s, CPU %U + %S s'
time one_machine "${command[@]}" --threads 1 --output "$work/one" >"$work/one.out" 2>"$work/one.err"

start "$work/master" org.apache.spark.deploy.master.Master --host 127.0.0.1 --port 0 --webui-port 0
master_process=$started
until master=$(grep -som1 'spark://127.0.0.1:[0-9]*' "$work/master.err"); do
  kill -0 "$master_process" || { tail -n 5 "$work/master.err" >&2; exit 1; }
  sleep 0.2
done
worker 1
worker 2
until (($(grep -c 'Registering worker' "$work/master.err") == 2)); do sleep 0.2; done

before=$(cluster_ticks) sent=$(wire)
TIMEFORMAT='two executors, one thread each: %R s, CPU of the driver %U + %S s'
time { submit undisturbed; finish undisturbed; }
sleep 2
echo "CPU of master, workers and executors: $(($(cluster_ticks) - before)) hundredths of a second"
jars=$(stat -Lc %s java/cli/target/ingrain-cli.jar ${classpath//:/ } | awk '{ sum += $1 } END { printf "%d", sum }')
echo "bytes over loopback: $(($(wire) - sent)), of which jars: 2 executors with $jars each"

submit worker-killed
await_texts worker-killed 30
killed=${workers[1]}
kill -9 "$killed" $(pgrep -P "$killed")
wait "$killed" 2>/dev/null || true
echo "worker 1 and its executor killed after $(lines "$work/worker-killed/samples.jsonl.log") texts"
finish worker-killed
worker 1

submit driver-killed
await_texts driver-killed 30
kill -9 "$driver"
wait "$driver" 2>/dev/null || true
kept=$(lines "$work/driver-killed/samples.jsonl.log")
echo "driver killed after $kept texts"
submit driver-killed
finish driver-killed

submit executor-stopped --conf spark.speculation=true --conf spark.speculation.quantile=0.5 \
  --conf spark.speculation.multiplier=1.5 --conf spark.speculation.interval=200ms
await_texts executor-stopped 30
executor=$(pgrep -P "${workers[2]}")
kill -STOP "$executor"
echo "executor of worker 2 stopped after $(lines "$work/executor-stopped/samples.jsonl.log") texts"
(sleep 20; kill -CONT "$executor" 2>/dev/null) &
finish executor-stopped

python3 - "$work/events" <<'P'
import glob, json, os, sys
print("\n| application | tasks | failed or killed | speculative | result bytes |\n|---|--:|--:|--:|--:|")
for path in sorted(glob.glob(sys.argv[1] + "/**/*", recursive=True), key=os.path.getmtime):
    if os.path.isdir(path):
        continue
    tasks = failed = speculative = size = 0
    for line in open(path):
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a killed driver may leave an incomplete last line
        if event["Event"] == "SparkListenerTaskEnd":
            tasks += 1
            failed += event["Task End Reason"]["Reason"] != "Success"
            speculative += event["Task Info"]["Speculative"]
            size += (event.get("Task Metrics") or {}).get("Result Size", 0)
    if tasks:
        print(f"| {path[-4:]} | {tasks} | {failed} | {speculative} | {size} |")
P
