"""Types of this folder's fixtures."""

from collections.abc import Callable

from schemas.model_package import ModelPackage

MODEL = "deepfm"
PackageFactory = Callable[[str], ModelPackage]
Publish = Callable[[ModelPackage], None]
