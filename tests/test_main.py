import subprocess
import sys


def test_python_dash_m_gradtool():
    found = subprocess.run([sys.executable, "-m", "gradtool", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("gradtool, version ")
