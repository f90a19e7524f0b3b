"""Modules of the repository come from the recorded code, or the run is not runnable."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import orjson

from tests.mltracker.reproduce.scratch import TRAIN, Scratch, not_runnable, said


def venv(scratch: Scratch) -> Scratch:
    """A Python of its own, with what the test interpreter has."""
    folder = scratch.root.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    (packages / "test_interpreter.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    scratch.python = str(folder / "bin" / "python")
    return scratch


def packages_of(scratch: Scratch) -> Path:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return scratch.root.parent / "venv" / "lib" / version / "site-packages"


def package(scratch: Scratch, value: str = "1.5") -> None:
    scratch.write("src/mine/__init__.py", "")
    scratch.write("src/mine/values.py", f"scale = {value}\n")
    scratch.write("settings.py", "from mine.values import scale\n")
    scratch.commit()


def test_an_editable_install_of_the_users_tree(scratch: Scratch) -> None:
    package(scratch)
    (packages_of(venv(scratch)) / "mine.pth").write_text(f"{scratch.root / 'src'}\n")
    scratch.record()
    scratch.write("src/mine/values.py", "scale = 4.0\n")
    said(scratch.reproduce(python=scratch.python).verdict, "identical")


def test_who_looks_for_modules_by_the_path_alone(scratch: Scratch) -> None:
    package(scratch)
    (packages_of(venv(scratch)) / "mine.pth").write_text(f"{scratch.root / 'src'}\n")
    scratch.write(
        "settings.py",
        "import sys\nfrom importlib.machinery import PathFinder\nfrom importlib.util import module_from_spec\n"
        "spec = PathFinder.find_spec('mine')\nsys.modules['mine'] = module_from_spec(spec)\nscale = 2.0\n",
    )
    scratch.commit()
    scratch.record()
    said(scratch.reproduce(python=scratch.python).verdict, "identical")


def test_a_package_that_is_a_repository_of_its_own(scratch: Scratch) -> None:
    other = scratch.root / "data" / "other"
    (other / "other").mkdir(parents=True)
    (other / "other" / "__init__.py").write_text("scale = 2.0\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        scratch.git(*command, cwd=other)
    packages = packages_of(venv(scratch))
    (packages / "other.pth").write_text(f"{other}\n")
    info = packages / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "direct_url.json").write_text(f'{{"url": "file://{other}", "dir_info": {{"editable": true}}}}')
    scratch.write("train.py", TRAIN + "import other\n")  # when the code was already described
    scratch.commit()
    scratch.record()
    said(scratch.reproduce(python=scratch.python).verdict, "identical")


def test_an_editable_install_by_a_finder(scratch: Scratch) -> None:
    package(scratch)
    init = "src/mine/__init__.py"
    finder = (
        "import sys\nfrom importlib.util import spec_from_file_location\n"
        "class Finder:\n    @classmethod\n    def find_spec(cls, name, path=None, target=None):\n"
        f"        if name == 'mine':\n            return spec_from_file_location(name, {str(scratch.root / init)!r})\n"
        "sys.meta_path.append(Finder)\n"
    )
    packages = packages_of(venv(scratch))
    (packages / "my_finder.py").write_text(finder)
    (packages / "my_finder.pth").write_text("import my_finder\n")
    scratch.record()
    scratch.write("src/mine/values.py", "scale = 4.0\n")
    said(scratch.reproduce(python=scratch.python).verdict, "identical")


def test_an_editable_install_of_another_clone(scratch: Scratch) -> None:
    package(scratch)
    (packages_of(venv(scratch)) / "mine.pth").write_text(f"{scratch.root / 'src'}\n")
    scratch.record()
    clone = scratch.root.parent / "clone"
    scratch.git("clone", "-q", scratch.root, clone)
    (packages_of(scratch) / "mine.pth").write_text(f"{clone / 'src'}\n")
    not_runnable(scratch.reproduce(python=scratch.python), "module mine", str(clone), "not from the recorded code")


def test_a_copy_that_is_installed(scratch: Scratch) -> None:
    package(scratch)
    shutil.copytree(scratch.root / "src" / "mine", packages_of(venv(scratch)) / "mine")
    scratch.record()
    not_runnable(scratch.reproduce(python=scratch.python), "module mine", "site-packages", "installed as editable")


def test_a_copy_that_is_installed_from_another_folder_name(scratch: Scratch) -> None:
    scratch.write("lib/values.py", "scale = 1.5\n")
    scratch.write("settings.py", "from mine.values import scale\n")
    scratch.commit()
    packages = packages_of(venv(scratch))
    shutil.copytree(scratch.root / "lib", packages / "mine")
    info = packages / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("mine\n")
    (info / "direct_url.json").write_text(f'{{"url": "file://{scratch.root}", "dir_info": {{}}}}')
    scratch.record()
    not_runnable(scratch.reproduce(python=scratch.python), "module mine", "site-packages")


def test_a_module_that_the_program_loads_by_its_path(scratch: Scratch) -> None:
    load = (
        "from importlib.util import module_from_spec, spec_from_file_location\nimport sys\n"
        f"spec = spec_from_file_location('other', {str(scratch.root / 'other.py')!r})\n"
        "other = sys.modules['other'] = module_from_spec(spec)\nspec.loader.exec_module(other)\nscale = other.scale\n"
    )
    scratch.write("settings.py", load)
    scratch.write("other.py", "scale = 2.0\n")
    scratch.commit()
    scratch.record()
    not_runnable(scratch.reproduce(), "module other", str(scratch.root / "other.py"))


def test_a_path_to_the_users_tree_leads_to_the_recorded_code(scratch: Scratch) -> None:
    scratch.write("lib/deep/values.py", "scale = 2.0\n")
    scratch.write(
        "settings.py", f"import sys\nsys.path.insert(0, {str(scratch.root / 'lib')!r})\nfrom deep.values import scale\n"
    )
    scratch.commit()
    scratch.record()
    scratch.write("lib/deep/values.py", "scale = 3.0\n")
    said(scratch.reproduce().verdict, "identical")


def test_an_extension_that_was_built_in_place(scratch: Scratch) -> None:
    source = Path(orjson.orjson.__file__)  # type: ignore[attr-defined]
    name = source.name.partition(".")[0]
    package(scratch)
    scratch.write(".gitignore", "*.so\n__pycache__/\n")
    scratch.write(
        "train.py",
        (scratch.root / "train.py").read_text().replace("from settings", f"import src.mine.{name}\nfrom settings"),
    )
    scratch.write("settings.py", "scale = 1.0\n")
    scratch.commit()
    shutil.copy(source, scratch.root / "src" / "mine" / source.name)
    scratch.record()
    not_runnable(scratch.reproduce(), f"module src.mine.{name}", source.name)


def test_a_python_that_lives_in_the_repository(scratch: Scratch) -> None:
    scratch.write(".gitignore", "venv/\n__pycache__/\n")
    scratch.commit()
    venv(scratch)
    packages = packages_of(scratch).relative_to(scratch.root.parent)
    inside = scratch.root / "venv"
    shutil.move(scratch.root.parent / "venv", inside)
    scratch.python = str(inside / "bin" / "python")
    third = inside / "src" / "third.py"  # where pip puts what it takes from a repository
    third.parent.mkdir()
    third.write_text("scale = 1.0\n")
    (scratch.root / packages / "third.pth").write_text(f"{third.parent}\n")
    scratch.write("train.py", TRAIN + "import third\n")  # when the code was already described
    scratch.commit()
    scratch.record()
    said(scratch.reproduce(python=scratch.python).verdict, "identical")
