"""Installation of fairseq_see."""

from pathlib import Path

from setuptools import find_packages, setup

readme = Path(__file__).parent / "README.md"

setup(
    name="fairseq_see",
    version="0.1.0",
    description="A Fairseq plugin for compressed token embeddings: SEE, MorphTE, Word2Ket and others.",
    long_description=readme.read_text(encoding="utf-8") if readme.is_file() else "",
    long_description_content_type="text/markdown",
    author="fairseq_see authors",
    license="MIT",
    license_files=["LICENSE"],
    packages=find_packages(include=["fairseq_see", "fairseq_see.*"]),
    package_data={"fairseq_see": ["**/*.json", "**/*.j2", "**/*.txt", "**/*.tsv", "py.typed"]},
    python_requires=">=3.10",
    install_requires=[
        "torch>=1.13",
        "numpy>=1.21.3",
        "safetensors>=0.4",
        "rich>=12",
        "Jinja2>=3.0",
        "tqdm>=4.60",
        "matplotlib>=3.5",
        "sacrebleu>=2.2",
        "sacremoses>=0.0.53",
        "jieba>=0.42.1",
        "subword-nmt>=0.3.8",
        "sentencepiece>=0.1.99",
        "morfessor>=2.0.6",
        "simplemma>=0.9",
        "OpenHowNet>=2.0",
        "scikit-learn>=1.0",
    ],
    extras_require={
        # For `fairseq-see index --morphology polyglot` alone. It is under the GPL, which is why nothing else uses it.
        "polyglot": ["polyglot>=16.7.4", "PyICU>=2.9", "pycld2>=0.41", "six>=1.16"],
        # Any distribution that provides ``import fairseq`` will do, so fairseq is an extra and not a requirement.
        "fairseq": [
            "fairseq-fixed>=0.12.3.1; python_version >= '3.11'",
            "fairseq>=0.12.2; python_version < '3.11'",
        ],
        # For fairseq_see.hf alone: compressed embeddings in Hugging Face models.
        "llm": ["transformers>=5.23,<6", "accelerate>=1.15", "datasets>=5", "lm-eval>=0.4.13"],
        "dev": [
            "pytest>=7",
            "pytest-timeout>=2.1",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "ruff>=0.6",
            "mypy>=1.8",
            "tensorly>=0.8",
        ],
    },
    entry_points={"console_scripts": ["fairseq-see = fairseq_see.cli.main:main"]},
    classifiers=[
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
    zip_safe=False,
)
