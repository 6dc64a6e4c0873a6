# Atelier. `make run` opens the page, `make test` runs the tests; both set up .venv the first time.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: venv run test check bench weights table space space-push clean
.DEFAULT_GOAL := run

venv: .venv/.ready

# Gradio 6.31 pins pillow<13, and Pillow 13 mends critical JPEG overflows: it goes in as a second step (docs/decisions.md).
.venv/.ready: requirements.txt requirements-dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps "pillow>=13,<14"
	touch $@

run: venv
	$(BIN)/python app.py

test: venv
	$(BIN)/python -m pytest

check: venv
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python publish.py --check

bench: venv
	$(BIN)/python -m benchmarks

# MNIST for the table: train/CLASS/*.png and test/CLASS/*.png, or torchvision's layout (make table DATA=folder).
DATA ?= data
table: venv
	$(BIN)/python -m benchmarks.table --data $(DATA)

weights: venv
	$(BIN)/python -m training.features --data data/tiny-imagenet-200 --out weights/vgg-lite.safetensors
	$(BIN)/python -m training.evaluator --data mnist
	$(BIN)/python -m training.gan --data mnist --out weights/gan-mnist.safetensors
	$(BIN)/python -m training.gan --data mnist --model mlp --epochs 12 --runs runs/gan-mlp --out weights/gan-mnist-mlp.safetensors

space: venv
	$(BIN)/python publish.py --write

space-push: venv
	$(BIN)/python publish.py --push

clean:
	rm -rf .venv runs
