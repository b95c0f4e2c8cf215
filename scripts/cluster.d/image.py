#!/usr/bin/env python3
"""Makes an image of one layer out of files of this machine, as an archive that containerd imports.

Programs come with the shared objects that they need. The same files make the same image.
"""

import argparse
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile

# As Debian has them: what is below /bin is below /usr/bin.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
FOLDERS = {"tmp": 0o1777, "root": 0o700, **dict.fromkeys(("etc", *MERGED.values()), 0o755)}
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
USELESS = ("__pycache__", "test", "tests", "idlelib", "lib2to3", "ensurepip", "pydoc_data")


class Layer:
    """The files of an image: a path without a leading slash, and where its content is or points."""

    def __init__(self):
        self.files, self.links = {}, {}

    def add(self, target, source):
        """A file, or a folder with what is in it."""
        target = unmerged(target.strip("/"))
        if not os.path.isdir(source):
            self.files[target] = os.path.realpath(source)
            return
        for folder, below, names in os.walk(source):
            below[:] = [name for name in below if name not in USELESS]
            for name in names:
                path = os.path.join(folder, name)
                self.files[os.path.join(target, os.path.relpath(path, source))] = os.path.realpath(path)

    def program(self, path):
        """A program or shared object where this machine has it, with the objects it needs."""
        self.add(path, path)
        self.needs(path)

    def needs(self, path):
        said = subprocess.run(["ldd", os.path.realpath(path)], capture_output=True, text=True, check=False).stdout
        if "not found" in said:
            sys.exit(f"image: {path} needs what is not here:\n{said}")
        for needed in re.findall(r"(/\S+) \(0x", said):
            self.add(needed, needed)

    def busybox(self):
        """A shell, and the usual programs; what is there already stays."""
        self.program("/bin/busybox")
        for name in subprocess.run(["/bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout.split():
            if name != "busybox":
                self.links[f"usr/bin/{name}"] = "busybox"

    def python(self):
        """The standard library of the interpreter that reads this."""
        library = sysconfig.get_path("stdlib")
        self.add(library, library)
        for target in [path for path in self.files if path.endswith(".so")]:
            self.needs(self.files[target])

    def archive(self):
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w") as archive:
            for path, mode in sorted((*FOLDERS.items(), *((folder, 0o755) for folder in self.parents()))):
                archive.addfile(entry(path, tarfile.DIRTYPE, mode))
            links = {**MERGED, **{path: to for path, to in self.links.items() if path not in self.files}}
            for path, to in sorted(links.items()):
                archive.addfile(entry(path, tarfile.SYMTYPE, 0o777, to))
            for path, source in sorted(self.files.items()):
                with open(source, "rb") as file:
                    info = entry(path, tarfile.REGTYPE, os.stat(source).st_mode & 0o777)
                    info.size = os.stat(source).st_size
                    archive.addfile(info, file)
        return content.getvalue()

    def parents(self):
        found = set()
        for path in self.files:
            while (path := os.path.dirname(path)) and path not in FOLDERS:
                found.add(path)
        return found


def unmerged(path):
    first, slash, rest = path.partition("/")
    return MERGED.get(first, first) + slash + rest


def entry(path, kind, mode, to=""):
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.linkname = kind, mode, to
    return info


def write(target, names, layer, config):
    """The archive as `docker save` writes it: the one that every containerd reads."""
    described = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    described = json.dumps(described).encode()
    name = hashlib.sha256(described).hexdigest() + ".json"
    manifest = json.dumps([{"Config": name, "RepoTags": names, "Layers": ["layer.tar"]}]).encode()
    with tarfile.open(target, "w") as archive:
        for path, content in ((name, described), ("layer.tar", layer), ("manifest.json", manifest)):
            info = entry(path, tarfile.REGTYPE, 0o644)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def main():
    parser = argparse.ArgumentParser(prog="scripts/cluster image", description=__doc__)
    several = {"action": "append", "default": []}
    parser.add_argument("archive", metavar="DIR", help="the cluster's folder (DIR)")
    parser.add_argument("name", metavar="NAME", help="the image's name and tag, as manifests will say it")
    parser.add_argument("--name", dest="names", **several, metavar="NAME", help="another name of it")
    parser.add_argument("--busybox", action="store_true", help="with a shell and the usual programs")
    parser.add_argument("--python", action="store_true", help="with the standard library of /usr/bin/python3")
    parser.add_argument("--program", **several, metavar="PATH", help="a program of this machine, with what it needs")
    parser.add_argument("--add", **several, metavar="TARGET=SOURCE", help="a file, or a folder with what is in it")
    parser.add_argument("--entrypoint", type=json.loads, default=[], metavar="JSON", help="a list of strings")
    parser.add_argument("--workdir", default="/", metavar="PATH", help="where its programs begin")
    asked = parser.parse_args()
    layer = Layer()
    if asked.busybox:
        layer.busybox()
    for path in asked.program:
        layer.program(path)
    if asked.python:
        layer.python()
    for pair in asked.add:
        target, _, source = pair.partition("=")
        layer.add(target, source)
    config = {"Entrypoint": asked.entrypoint, "Env": [f"PATH={PATH}"], "WorkingDir": asked.workdir}
    write(asked.archive, [asked.name, *asked.names], layer.archive(), config)


if __name__ == "__main__":
    main()
