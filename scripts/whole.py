"""Files that are whole, also when who writes them is killed or has no more room.

A file is written in a folder for that, synced, and renamed to its place: it appears whole or
not at all. That folder is another one than the place, because engines read a corpus while
it grows, and because a merge may exchange the whole folder of a corpus meanwhile
(`ifscrub corpus merge`). Lists grow by a line at a time; a last line that is torn counts for
nothing.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import time

# A merge takes a folder away for an instant where the file system cannot exchange two.
TRIES = 20
BETWEEN = 0.05

# What the files of a corpus are called, and the end of an artifact's name.
SHA1 = re.compile(r"[0-9a-f]{40}")


# A disk with so few inodes left has none for us: what was given up meanwhile has freed some.
FEW_INODES = 16


class DiskFull(Exception):
    """There is no room any more; `errno`: what the system has said, if it was asked."""

    def __init__(self, path, number=None):
        super().__init__(path)
        self.errno = number


def no_room(error):
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def no_room_said(text):
    """The number of the error when a program of ours has said that it had no room; `None`
    otherwise."""
    for number in (errno.ENOSPC, errno.EDQUOT):
        # As C says it, and as Rust does.
        if os.strerror(number) in text:
            return number
    return None


def free_mb(folder):
    """The room that its disk has for us."""
    return shutil.disk_usage(folder).free >> 20


def what_is_full(folder, number, needed_mb):
    """What there is no more of, after the system has refused room with `number`: it does so also
    while megabytes are free."""
    free, disk = free_mb(folder), os.statvfs(folder)
    if number == errno.EDQUOT:
        return f"your quota there is used up, whatever the {free} MB that are free"
    # File systems that have no fixed number of them say 0 of 0.
    if number == errno.ENOSPC and disk.f_files and disk.f_favail <= FEW_INODES:
        return (f"it has {disk.f_favail} inodes left, so no more files can be made, whatever the "
                f"{free} MB that are free")
    if number == errno.ENOSPC and free >= max(needed_mb, 1):
        # What has failed may have given its own back.
        inodes = f" and {disk.f_favail} inodes" if disk.f_files else ""
        return f"it has refused more, although {free} MB{inodes} are free now"
    return f"{free} MB are free, at least {needed_mb} MB are needed"


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def patiently(act):
    """Does something in a folder that may be exchanged meanwhile."""
    for _ in range(TRIES - 1):
        try:
            return act()
        except FileNotFoundError:
            time.sleep(BETWEEN)
    return act()


def write_whole(path, data, scratch):
    """A file that appears whole or not at all, written in the folder `scratch` first, on the
    same file system."""
    temporary = scratch / path.name

    def write():
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)

    try:
        patiently(write)
    except OSError as e:
        temporary.unlink(missing_ok=True)
        if no_room(e):
            raise DiskFull(path, e.errno) from e
        raise


def files_in(folder):
    """The paths of the files in a folder that may be exchanged meanwhile; any of them may be
    gone already."""
    return [folder / name for name in sorted(patiently(lambda: os.listdir(folder)))]


def contents(path):
    """What a file holds, or `None` when it is gone or no file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None


def link_or_copy(source, place):
    """The same file in another place, without taking room where the file system can do that;
    nothing when it is gone or no file."""
    try:
        os.link(source, place)
    except FileNotFoundError:
        pass
    except OSError:
        # No hard links there, or no more of them.
        try:
            shutil.copyfile(source, place)
        except (FileNotFoundError, IsADirectoryError):
            place.unlink(missing_ok=True)


class Lines:
    """A list that grows by a JSON object at a time."""

    def __init__(self, path):
        self.path = path

    def all(self, *needed):
        """The lines that are whole and have these fields."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                # Torn when the campaign was killed, or the end of the list.
                continue
            if isinstance(value, dict) and all(field in value for field in needed):
                yield value

    def heal(self):
        """Ends a torn line, so that the next one stands alone."""
        try:
            with open(self.path, "rb+") as file:
                if file.seek(0, os.SEEK_END) > 0:
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        file.write(b"\n")
        except FileNotFoundError:
            pass

    def add(self, value):
        """One line more, or the list as it was."""
        line = json.dumps(value).encode() + b"\n"
        try:
            with open(self.path, "ab", buffering=0) as file:
                before = file.tell()
                try:
                    while line:
                        line = line[file.write(line):]
                    os.fsync(file.fileno())
                except OSError:
                    # Half a line would take the next one with it.
                    file.truncate(before)
                    raise
        except OSError as e:
            if no_room(e):
                raise DiskFull(self.path, e.errno) from e
            raise
