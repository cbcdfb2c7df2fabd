"""Write the recorded hosts' files that are no text: `python tests/_data/hosts/make_binaries.py`.

Deterministic: the same bytes on every machine and every run. The formats:

- GGUF: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
- safetensors: https://github.com/huggingface/safetensors#format
- ONNX (a protobuf): https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
- Go build info: https://pkg.go.dev/debug/buildinfo and https://github.com/golang/go/blob/master/src/debug/buildinfo/buildinfo.go
- plug-in archives are zip files; Windows writes task definitions in UTF-16
"""

# ruff: noqa: E501 - the paths are as long as the machines have them

from __future__ import annotations

import io
import json
import plistlib
import struct
import zipfile
from pathlib import Path

HERE = Path(__file__).parent


def gguf(name: str, architecture: str, organization: str = "", *, padding: int = 0) -> bytes:
    """A GGUF header of version 3 without tensors; values of type 8 are strings."""
    pairs = {"general.architecture": architecture, "general.name": name, "general.organization": organization}
    told = {key: value for key, value in pairs.items() if value}
    out = b"GGUF" + struct.pack("<IQQ", 3, 0, len(told))
    for key, value in told.items():
        out += struct.pack("<Q", len(key)) + key.encode() + struct.pack("<IQ", 8, len(value)) + value.encode()
    return out + bytes(padding)


def safetensors(tensor: str = "weight") -> bytes:
    """Header length, JSON header, four zero bytes of data."""
    header = json.dumps(
        {"__metadata__": {"format": "pt"}, tensor: {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}},
        separators=(",", ":"),
    ).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


def onnx(producer: str) -> bytes:
    """ModelProto with ir_version 9, producer_name, an empty graph named `main`, opset 19."""
    graph = b"\x12" + bytes([4]) + b"main"
    name = b"\x12" + bytes([len(producer)]) + producer.encode()
    return b"\x08\x09" + name + b"\x3a" + bytes([len(graph)]) + graph + b"\x42\x02\x10\x13"


def build_info(main: str, module: str, version: str) -> bytes:
    """The block Go links into a binary since 1.18: magic, pointer size, flags (2: inline), two counted strings."""

    def counted(text: bytes) -> bytes:
        size, out = len(text), b""
        while size >= 0x80:
            out += bytes([size & 0x7F | 0x80])
            size >>= 7
        return out + bytes([size]) + text

    info = f"path\t{main}\nmod\t{module}\t{version}\th1:EXAMPLEEXAMPLEEXAMPLE=\nbuild\t-compiler=gc\n".encode()
    start, end = bytes.fromhex("3077af0c9274080241e1c107e6d618e6"), bytes.fromhex("f932433186182072008242104116d8f2")
    block = b"\xff Go buildinf:\x08\x02" + bytes(16) + counted(b"go1.25.1") + counted(start + info + end)
    return block + bytes(-len(block) % 16)


def elf(data: bytes) -> bytes:
    """A 64-bit little-endian ELF file with one writable segment that holds `data`."""
    head = b"\x7fELF\x02\x01\x01" + bytes(9)
    head += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 6, 128, 0x400080, 0x400080, len(data), len(data), 16)
    return (head + segment).ljust(128, b"\0") + data


def macho(data: bytes) -> bytes:
    """A 64-bit arm Mach-O file with one writable segment, section `__go_buildinfo`, that holds `data`."""
    section = struct.pack(
        "<16s16sQQIIIIIIII", b"__go_buildinfo", b"__DATA", 0x1000, len(data), 192, 4, 0, 0, 0, 0, 0, 0
    )
    segment = struct.pack("<II16sQQQQIIII", 0x19, 152, b"__DATA", 0x1000, len(data), 192, len(data), 3, 3, 1, 0)
    head = struct.pack("<IIIIIIII", 0xFEEDFACF, 0x0100000C, 0, 2, 1, len(segment + section), 0, 0)
    return (head + segment + section).ljust(192, b"\0") + data


def pe(data: bytes) -> bytes:
    """A 64-bit PE file with one readable and writable section `.data` that holds `data`."""
    dos = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, 240, 0x22)
    optional = struct.pack("<HBBIIIIIQII", 0x20B, 14, 0, 0, 0, 0, 0, 0, 0x140000000, 4096, 512)
    optional = (
        optional + struct.pack("<HHHHHHIIIIHHQQQQII", 6, 0, 0, 0, 6, 0, 0, 8192, 512, 0, 3, 0, 0, 0, 0, 0, 0, 16)
    ).ljust(240, b"\0")
    section = struct.pack("<8sIIIIIIHHI", b".data", len(data), 4096, len(data), 512, 0, 0, 0, 0, 0xC0000040)
    return (dos + coff + optional + section).ljust(512, b"\0") + data


def archive(members: dict[str, str]) -> bytes:
    """A zip file of stored members with a fixed date."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as into:
        for name, text in members.items():
            entry = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            entry.create_system = 3
            into.writestr(entry, text)
    return out.getvalue()


def plugin(identifier: str, name: str, version: str) -> bytes:
    """The jar of a JetBrains plug-in with its descriptor."""
    descriptor = f"<idea-plugin>\n  <id>{identifier}</id>\n  <name>{name}</name>\n  <version>{version}</version>\n</idea-plugin>\n"
    return archive({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n", "META-INF/plugin.xml": descriptor})


def library() -> bytes:
    """A jar without descriptor, as plug-ins carry them beside their own."""
    return archive({"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n"})


def task(command: str, arguments: str = "") -> bytes:
    """A Windows task definition, UTF-16 with byte order mark."""
    given = f"<Arguments>{arguments}</Arguments>" if arguments else ""
    text = (
        '<?xml version="1.0" encoding="UTF-16"?>\r\n'
        '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">\r\n'
        f'  <Actions Context="Author"><Exec><Command>{command}</Command>{given}</Exec></Actions>\r\n</Task>\r\n'
    )
    return b"\xff\xfe" + text.encode("utf-16-le")


def binary_plist(values: dict[str, object]) -> bytes:
    """A property list in Apple's binary form."""
    return plistlib.dumps(values, fmt=plistlib.FMT_BINARY, sort_keys=True)


FILES: dict[str, bytes] = {
    "linux-ai-workstation/root/home/ann/.config/sublime-text/Installed Packages/LSP-copilot.sublime-package": archive(
        {"package.json": "{}"}
    ),
    "linux-ai-workstation/root/home/ann/.local/share/JetBrains/PyCharm2025.2/github-copilot-intellij/lib/annotations-26.0.jar": library(),
    "linux-ai-workstation/root/home/ann/.local/share/JetBrains/PyCharm2025.2/github-copilot-intellij/lib/core.jar": plugin(
        "com.github.copilot", "GitHub Copilot", "1.5.57-243"
    ),
    "linux-ai-workstation/root/home/ann/.local/share/JetBrains/PyCharm2025.2/ml-llm/lib/annotations-26.0.jar": library(),
    "linux-ai-workstation/root/home/ann/.local/share/JetBrains/PyCharm2025.2/ml-llm/lib/ml-llm.jar": plugin(
        "com.intellij.ml.llm", "JetBrains AI Assistant", "252.26830.84"
    ),
    "linux-ai-workstation/root/home/ann/go/bin/crush": elf(
        build_info("github.com/charmbracelet/crush", "github.com/charmbracelet/crush", "v0.10.4")
    ),
    "linux-ai-workstation/root/home/ann/go/bin/gopls": elf(
        build_info("golang.org/x/tools/gopls", "golang.org/x/tools/gopls", "v0.20.0")
    ),
    "linux-desktop-image/root/home/ann/.lmstudio/models/lmstudio-community/gemma-3-4b-it-GGUF/gemma-3-4b-it-Q4_K_M.gguf": gguf(
        "Gemma 3 4b It", "gemma3", ""
    ),
    "linux-desktop-image/root/home/ann/.local/share/Jan/data/llamacpp/models/janhq/Jan-v1-4B-Q4_K_M/model.gguf": gguf(
        "Jan v1 4B", "qwen3", ""
    ),
    "linux-desktop-image/root/home/ann/.local/share/Trash/files/old.gguf": gguf("Old", "llama"),
    "linux-desktop-image/root/home/ann/.local/share/nomic.ai/GPT4All/Meta-Llama-3-8B-Instruct.Q4_0.gguf": gguf(
        "Meta-Llama-3-8B-Instruct", "llama", ""
    ),
    "linux-desktop-image/root/home/ann/weights/mistral-7b.gguf": gguf(
        "mistralai_mistral-7b-instruct-v0.3", "llama", "Mistralai"
    ),
    "linux-gpu-server/root/home/ops/.cache/huggingface/hub/models--meta-llama--Llama-3.2-3B-Instruct/blobs/bb22": safetensors(
        "model.embed_tokens.weight"
    ),
    "linux-gpu-server/root/opt/ComfyUI/models/checkpoints/sd_xl_base_1.0.safetensors": safetensors(),
    "linux-gpu-server/root/opt/llama.cpp/models/qwen2.5-7b-instruct-q4_k_m.gguf": gguf(
        "Qwen2.5 7B Instruct", "qwen2", "Qwen"
    ),
    "linux-gpu-server/root/opt/stable-diffusion-webui/models/Stable-diffusion/v1-5-pruned.safetensors": safetensors(),
    "linux-gpu-server/root/opt/vllm/.venv/lib/python3.12/site-packages/silero_vad/data/silero_vad.onnx": onnx(
        "pytorch"
    ),
    "linux-gpu-server/root/srv/models/minilm/model.onnx": onnx("pytorch"),
    "linux-gpu-server/root/srv/models/tiny-llama.gguf": gguf("", "llama"),
    "linux-gpu-server/root/usr/local/go-bin/ollama-exporter": elf(
        build_info("example.org/ollama-exporter/cmd/ollama-exporter", "example.org/ollama-exporter", "v0.3.1")
    ),
    "macos-ai-workstation/root/Applications/ChatGPT.app/Contents/Info.plist": binary_plist(
        {"CFBundleIdentifier": "com.openai.chat", "CFBundleShortVersionString": "1.2025.258", "CFBundleName": "ChatGPT"}
    ),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/IntelliJIdea2025.2/plugins/StringManipulation/lib/StringManipulation.jar": plugin(
        "String Manipulation", "String Manipulation", "9.15.0"
    ),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/IntelliJIdea2025.2/plugins/StringManipulation/lib/annotations-26.0.jar": library(),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/IntelliJIdea2025.2/plugins/ej/lib/annotations-26.0.jar": library(),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/IntelliJIdea2025.2/plugins/ej/lib/junie.jar": plugin(
        "org.jetbrains.junie", "Junie", "252.284.66"
    ),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/IntelliJIdea2025.2/plugins/ml-llm/lib/annotations-26.0.jar": library(),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/IntelliJIdea2025.2/plugins/ml-llm/lib/ml-llm.jar": plugin(
        "com.intellij.ml.llm", "JetBrains AI Assistant", "252.26830.84"
    ),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/PyCharmCE2024.3/plugins/continue-intellij-extension/lib/annotations-26.0.jar": library(),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/JetBrains/PyCharmCE2024.3/plugins/continue-intellij-extension/lib/continue.jar": plugin(
        "com.github.continuedev.continueintellijextension", "Continue", "1.0.46"
    ),
    "macos-ai-workstation/root/Users/ann/Library/Application Support/Sublime Text/Installed Packages/Codeium.sublime-package": archive(
        {"package.json": "{}"}
    ),
    "macos-ai-workstation/root/Users/ann/Library/LaunchAgents/com.ann.digest.plist": binary_plist(
        {
            "Label": "com.ann.digest",
            "ProgramArguments": ["/bin/sh", "-c", "npx -y @anthropic-ai/claude-code -p digest"],
            "StartInterval": 3600,
        }
    ),
    "macos-ai-workstation/root/Users/ann/go/bin/opencode": macho(
        build_info("github.com/opencode-ai/opencode", "github.com/opencode-ai/opencode", "v0.0.55")
    ),
    "macos-dev-quiet/root/Applications/Utilities/Terminal.app/Contents/Info.plist": binary_plist(
        {"CFBundleIdentifier": "com.apple.Terminal", "CFBundleShortVersionString": "2.14", "CFBundleName": "Terminal"}
    ),
    "macos-local-models/root/Users/ann/.cache/huggingface/hub/models--ggml-org--gemma-3-1b-it-GGUF/snapshots/f9c28bcd85737ffc5aef028638d3341d49869c27/gemma-3-1b-it-Q4_K_M.gguf": gguf(
        "Gemma 3 1b It", "gemma3"
    ),
    "macos-local-models/root/Users/ann/.cache/huggingface/hub/models--mlx-community--Qwen3-4B-4bit/blobs/22": safetensors(),
    "macos-local-models/root/Users/ann/.cache/lm-studio/models/TheBloke/Mistral-7B-GGUF/mistral-7b.Q4.gguf": gguf(
        "", "llama", ""
    ),
    "macos-local-models/root/Users/ann/.lmstudio/models/bartowski/Phi-4-mini-instruct-GGUF/Phi-4-mini-instruct-Q4_K_M.gguf": gguf(
        "Phi 4 Mini Instruct", "phi3", "Microsoft"
    ),
    "macos-local-models/root/Users/ann/ComfyUI/models/loras/ink.safetensors": safetensors("lora"),
    "macos-local-models/root/Users/ann/Library/Application Support/Jan/data/llamacpp/models/Menlo/Jan-nano-gguf/model.gguf": gguf(
        "Jan Nano", "qwen3", ""
    ),
    "macos-local-models/root/Users/ann/Library/Application Support/nomic.ai/GPT4All/orca-mini-3b.gguf": gguf(
        "Orca Mini 3B", "llama", ""
    ),
    "windows-ai-workstation/root/Users/ann/AppData/Roaming/JetBrains/WebStorm2025.2/plugins/aws-toolkit-amazonq/lib/amazonq.jar": plugin(
        "amazon.q", "Amazon Q", "3.98.252"
    ),
    "windows-ai-workstation/root/Users/ann/AppData/Roaming/JetBrains/WebStorm2025.2/plugins/aws-toolkit-amazonq/lib/annotations-26.0.jar": library(),
    "windows-ai-workstation/root/Users/ann/AppData/Roaming/JetBrains/WebStorm2025.2/plugins/ml-llm/lib/annotations-26.0.jar": library(),
    "windows-ai-workstation/root/Users/ann/AppData/Roaming/JetBrains/WebStorm2025.2/plugins/ml-llm/lib/ml-llm.jar": plugin(
        "com.intellij.ml.llm", "JetBrains AI Assistant", "252.26830.84"
    ),
    "windows-ai-workstation/root/Users/ann/AppData/Roaming/Sublime Text/Installed Packages/Tabnine.sublime-package": archive(
        {"package.json": "{}"}
    ),
    "windows-ai-workstation/root/Users/ann/go/bin/mods.exe": pe(
        build_info("github.com/charmbracelet/mods", "github.com/charmbracelet/mods", "v1.8.1")
    ),
    "windows-ai-workstation/root/Windows/System32/Tasks/Daily digest": task(
        "C:\\Users\\ann\\AppData\\Roaming\\npm\\claude.cmd", "-p digest"
    ),
    "windows-dev-quiet/root/Windows/System32/Tasks/Microsoft/Windows/Defrag/ScheduledDefrag": task(
        "%windir%\\system32\\defrag.exe", "-c -h -o"
    ),
    "windows-local-models/root/Users/ann/.cache/huggingface/hub/models--BAAI--bge-small-en-v1.5/snapshots/5c38ec7c405ec4b44b94cc5a9bb96e735b38267a/model.safetensors": safetensors(),
    "windows-local-models/root/Users/ann/.lmstudio/models/lmstudio-community/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf": gguf(
        "Qwen3 8B", "qwen3", ""
    ),
    "windows-local-models/root/Users/ann/AppData/Local/nomic.ai/GPT4All/Llama-3.2-3B.gguf": gguf(
        "Llama 3.2 3B", "llama", "Meta Llama"
    ),
    "windows-local-models/root/Users/ann/AppData/Roaming/Jan/data/llamacpp/models/unsloth/Qwen3-4B-GGUF/model.gguf": gguf(
        "Qwen3 4B", "qwen3", ""
    ),
    "windows-local-models/root/Users/ann/models/phi/decoder.onnx": onnx("onnxruntime-genai"),
    "windows-local-models/root/Users/ann/stable-diffusion-webui/models/Lora/ink.safetensors": safetensors(),
    "windows-local-models/root/Windows/System32/Tasks/Pull models": task(
        "C:\\Users\\ann\\AppData\\Local\\Programs\\Ollama\\ollama.exe", "pull gemma3"
    ),
    "windows-local-models/root/tools/ComfyUI/models/checkpoints/flux1-dev.safetensors": safetensors(),
    "windows-local-models/root/tools/llama.cpp/models/qwen3.gguf": gguf("Qwen3 0.6B", "qwen3", ""),
}


def main() -> None:
    """Write every file below this folder."""
    for path, data in FILES.items():
        target = HERE / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


if __name__ == "__main__":
    main()
