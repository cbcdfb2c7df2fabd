"""Where the one walk goes, and where it does not: the policy, apart from the mechanism in ``walk.py``."""

from __future__ import annotations

from typing import Final

from aimscope_agent.host.facts import Platform


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


HOME_DEPTH: Final = 24
PLACE_DEPTH: Final = 16
MOST_ENTRIES: Final = 3_000_000
"""Names looked at in one walk."""

WALKED: Final[dict[Platform, tuple[str, ...]]] = {
    "linux": ("/opt", "/srv", "/usr/local", "/usr/lib/python3*", "/usr/share/ollama", "/models", "/data/models"),
    "macos": ("/opt", "/usr/local", "/Library/Python"),
    "windows": ("C:/Program Files", "C:/ProgramData", "C:/tools"),
}
"""Walked for ``**/`` globs besides every home."""

SHALLOW: Final = frozenset({"node_modules", "site-packages", "dist-packages"})
"""Only what lies directly in them (and in npm's ``@scope`` folders): the names of packages, not their content."""

_CONDA: Final = (
    *("miniconda3", "anaconda3", "miniforge3", "mambaforge", "miniconda", "anaconda", "miniforge"),
    *("conda", ".conda", "mamba", ".mamba", "micromamba", ".micromamba"),
)
"""What the folder of conda or of one of its kin is called."""

PRUNED: Final[dict[str, tuple[str, ...]]] = {
    # History and objects of version control: content, under names that mean nothing.
    ".git": (),
    ".hg": (),
    ".svn": (),
    ".jj": (),
    # Compiled from what lies beside it.
    "__pycache__": (),
    ".mypy_cache": (),
    ".ruff_cache": (),
    ".pytest_cache": (),
    # Thrown away.
    ".Trash": (),
    "Trash": ("share",),
    "$Recycle.Bin": (),
    "$RECYCLE.BIN": (),
    # Caches of package managers: everything ever downloaded, installed or not.
    "_cacache": (),
    "pip": (".cache", "Caches"),
    "uv": (".cache", "Caches", "cache"),
    "cache": ("pypoetry",),
    "artifacts": ("pypoetry",),
    "go-build": (".cache", "Caches"),
    "yarn": (".cache",),
    "Yarn": ("Caches",),
    "pkg": ("go",),
    "registry": (".cargo",),
    "repository": (".m2",),
    "caches": (".gradle",),
    "packages": (".nuget",),
    ".pnpm": (),
    ".pnpm-store": (),
    "store": ("pnpm",),
    "pkgs": _CONDA,
    # Caches of browsers and of applications built from one.
    "Cache_Data": (),
    "Code Cache": (),
    "GPUCache": (),
    "CacheStorage": (),
    "ScriptCache": (),
    "cache2": (),
}
"""Folders the walk does not enter, everywhere or only below a folder of one of these names. They are still
found themselves, and a glob may reach into them by name: ``**/.git/config``."""

LOCAL_FILE_SYSTEMS: Final = _names(
    "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs jfs reiserfs overlay aufs apfs hfs ntfs ntfs3 fuseblk vfat exfat "
    "msdos udf ufs squashfs erofs 9p virtiofs"
)
"""Mounted below a walked place, these are entered; whatever else is mounted (network, memory, kernel) is not."""

NETWORK_FILE_SYSTEMS: Final = _names(
    "nfs nfs4 cifs smb3 smbfs afpfs webdav davfs davfs2 afs ceph glusterfs lustre gpfs beegfs autofs fuse.sshfs "
    "fuse.rclone fuse.s3fs fuse.gcsfuse fuse.glusterfs"
)
"""Not entering these leaves something unseen: a gap."""
