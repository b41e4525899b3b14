"""Writes check.json and check.md. Both files are complete after every row."""
import json
import os
import time


class Report:
    def __init__(self, out, machine):
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        file = out / "check.json"
        self.results = json.loads(file.read_text()) if file.exists() else {}
        self.results["machine"] = machine

    def run(self, name, rows, skip):
        """Runs a part and records each row when it is finished. Returns whether the part passed: it has rows, and no
        row is FAILED."""
        begin = time.monotonic()
        part = self.results[name] = {"rows": [], "passed": False, "seconds": 0.0}
        try:
            for row in rows:
                part["rows"].append(row)
                part["seconds"] = round(time.monotonic() - begin, 1)
                self.write()
            part["passed"] = bool(part["rows"]) and not any(row.get("result") == "FAILED" for row in part["rows"])
        except skip as reason:
            part["skipped"] = str(reason)
        except Exception as e:  # the table has the error, and later parts still run
            part["error"] = f"{type(e).__name__}: {e}"
        part["seconds"] = round(time.monotonic() - begin, 1)
        self.write()
        print("\n" + section(name, part), flush=True)
        return part["passed"] or "skipped" in part

    def write(self):
        self.replace("check.json", json.dumps(self.results, indent=1) + "\n")
        parts = [section(name, part) for name, part in self.results.items() if isinstance(part, dict)]
        self.replace("check.md", "\n".join([f"# {self.results['machine']}\n", *parts]))

    def replace(self, name, text):
        part = self.out / (name + ".part")
        part.write_text(text)
        os.replace(part, self.out / name)


def section(name, part):
    verdict = "skipped: " + part["skipped"] if "skipped" in part else "passed" if part["passed"] else "FAILED"
    verdict += ": " + part["error"] if "error" in part else ""
    return f"## {name}: {verdict} ({part['seconds']} s)\n\n{table(part['rows'])}"


def table(rows):
    """Returns rows as Markdown. Rows with the same keys form one table, and these keys are its columns."""
    kinds = {}
    for row in rows:
        kinds.setdefault(tuple(key for key, value in row.items() if value is not None), []).append(row)
    tables = []
    for columns, kind in kinds.items():
        lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
        lines += ["| " + " | ".join(cell(row[column]) for column in columns) + " |" for row in kind]
        tables.append("\n".join(lines) + "\n")
    return "\n".join(tables)


def cell(value):
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return str(value).replace("|", "/").replace("\n", " ")
