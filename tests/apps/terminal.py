"""A program in a terminal of its own: what is typed goes in, what is shown comes out."""
import os
import pty
import select
import signal
import termios
import time

DEADLINE_S = 120
LOCAL_FLAGS = 3  # in what tcgetattr returns; for both ends of the terminal, on Linux


class Terminal:
    def __init__(self, command, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, env)
        self.shown = ""
        self.raw = b""

    def type(self, text):
        os.write(self.fd, text.encode())

    def read_some(self, wait_s=1.0):
        """False when the program has closed the terminal."""
        ready, _, _ = select.select([self.fd], [], [], wait_s)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # Linux's way to say that the other side is gone
            data = b""
        self.raw += data
        self.shown = self.raw.decode(errors="replace")
        return bool(data)

    def wait_for(self, text):
        """What is shown up to and with `text`; that part is then used up."""
        end = time.monotonic() + DEADLINE_S
        while text not in self.shown:
            if time.monotonic() > end or not self.read_some():
                raise AssertionError(f"no {text!r} in {self.shown[-2000:]!r}")
        at = self.shown.index(text) + len(text)
        seen, rest = self.shown[:at], self.shown[at:]
        self.raw, self.shown = rest.encode(), rest
        return seen

    def wait_for_prompt(self, text):
        """The same, and until keys go to the line editor: it shows its prompt before it takes the keyboard over."""
        seen = self.wait_for(text)
        end = time.monotonic() + DEADLINE_S
        while termios.tcgetattr(self.fd)[LOCAL_FLAGS] & termios.ICANON:
            if time.monotonic() > end:
                raise AssertionError("nobody reads the keyboard")
            self.read_some(0.01)
        return seen

    def exit_code(self):
        end = time.monotonic() + DEADLINE_S
        while self.read_some() and time.monotonic() < end:
            pass
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status)

    def close(self):
        """Ends the program if it is still there."""
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.fd)
