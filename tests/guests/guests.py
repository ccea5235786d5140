# SPDX-License-Identifier: MIT
"""Guest tests: NAME.S is a small guest, NAME.trace beside it what its trace must be (tests/guests/README)."""
import glob, json, os, re, shutil, subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def directives(source):
    """'// key: value' lines of a source file."""
    return dict(re.findall(r"^// (mode|load|args|steps|bits|gaps|exit|says): (.*)$", open(source).read(), re.M))


def build(source, folder, d):
    load = d.get("load", "0x8000")
    bits = d.get("bits") or ("64" if d["mode"] == "long" else "32")
    obj, image = f"{folder}/guest.o", f"{folder}/guest.bin"
    cmd = [["gcc", f"-m{bits}", "-c", "-nostdlib", "-I", HERE, "-o", obj, source],
           ["ld", "-m", "elf_x86_64" if bits == "64" else "elf_i386", "-Ttext", load, "-e", "start", "-o", f"{folder}/guest.elf", obj],
           ["objcopy", "-O", "binary", f"{folder}/guest.elf", image]]
    for c in cmd:
        p = subprocess.run(c, capture_output=True, text=True)
        if p.returncode:
            return None, p.stderr
    entry = re.search(r"^([0-9a-f]+) T start$", subprocess.run(["nm", f"{folder}/guest.elf"], capture_output=True, text=True).stdout, re.M)
    return ["--vm", image, "--load", load, "--entry", "0x" + entry[1] if entry else load, "--mode", d["mode"]], ""


def squeeze(line):
    return re.sub(r"\s+", " ", line.split("#")[0]).strip()


def expectation(path):
    """The lines that count, and the comment of each (by its first word)."""
    lines, comments = [], {}
    if os.path.exists(path):
        for raw in open(path):
            text = squeeze(raw)
            if text:
                lines.append(text)
                if "#" in raw:
                    comments[text.split()[0]] = raw[raw.index("#"):].rstrip()
    return lines, comments


def rewrite(path, raw):
    _, comments = expectation(path)
    head = [l.rstrip() for l in open(path) if l.startswith("#")] if os.path.exists(path) else []
    with open(path, "w") as f:
        for l in head:
            print(l, file=f)
        for l in raw:
            key = squeeze(l).split()[0]
            print((l.rstrip() + "  " + comments.get(key, "")).rstrip(), file=f)


def run(names, ktrace, tag, want_rewrite, report, check, can_record):
    for source in sorted(glob.glob(f"{HERE}/*.S")):
        name = os.path.basename(source)[:-2]
        if names and name not in names:
            continue
        if can_record():
            report("skip", "guest/" + name + tag, can_record())
            continue
        one(name, source, ktrace, tag, want_rewrite, report, check)


def one(name, source, ktrace, tag, want_rewrite, report, check):
    folder = f"build/test/guest/{name}{tag}"
    repeat = f"tests/run guests {name}"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    d = directives(source)
    if "mode" not in d:
        report("FAIL", "guest/" + name + tag, "no '// mode:' line in " + source)
        return
    args, error = build(source, folder, d)
    if not args:
        report("FAIL", "guest/" + name + tag, "does not assemble: " + error.strip(), repeat)
        return
    db, ram = f"{folder}/t.db", f"{folder}/ram"
    cmd = [ktrace, "record", *args, "--mem", "4M", "--steps", d.get("steps", "2000"), "-o", db, "--save-memory", ram,
           *d.get("args", "").split()]
    p = subprocess.run(cmd, capture_output=True, text=True, timeout=300)
    if p.returncode != int(d.get("exit", "0")):
        report("FAIL", "guest/" + name + tag, f"record: exit {p.returncode}: {p.stderr.strip()}", repeat)
        return
    if d.get("says", "") not in p.stderr:
        report("FAIL", "guest/" + name + tag, f"record does not say '{d['says']}': {p.stderr.strip()}", repeat)
        return
    dump = subprocess.run([ktrace, "dump", "-i", db], capture_output=True, text=True)
    info = subprocess.run([ktrace, "info", "-i", db, "--check", "--format", "json"], capture_output=True, text=True)
    mem = subprocess.run([os.path.dirname(ktrace) + "/tool/memcheck", db, ram], capture_output=True, text=True)
    if dump.returncode or info.returncode or mem.returncode:
        report("FAIL", "guest/" + name + tag, (dump.stderr + info.stderr + mem.stdout + mem.stderr).strip()[:400], repeat)
        return
    i = json.loads(info.stdout)
    raw = dump.stdout.splitlines()
    raw.append(f"end: {i['end_reason']}, {i['steps']} steps, {i['gaps']} gaps, {i['audit_misses']} audit misses")
    path = source[:-2] + ".trace"
    if want_rewrite:
        rewrite(path, raw)
    want, _ = expectation(path)
    check("\n".join(squeeze(l) for l in raw) + "\n", "\n".join(want or ["(no expectation file)"]) + "\n", "guest/" + name + tag, folder, repeat)
