"""A directory of the tests that holds an npm package: its copy, with what it depends on beside it."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent


def install(name):
    """A copy of the package's directory, which the caller removes. Without npm or its registry
    the tests are skipped; where a change is judged, that is a failure."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-npm-"))
    try:
        shutil.copytree(HERE / name, directory, dirs_exist_ok=True)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-audit",
                        "--no-fund", "--loglevel=error"], cwd=directory, check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    except (FileNotFoundError, subprocess.SubprocessError) as error:
        shutil.rmtree(directory)
        if os.environ.get("CI") == "true":
            raise
        raise unittest.SkipTest(f"{name} cannot be installed: {error}") from None
    return directory
