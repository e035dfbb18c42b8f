#!/usr/bin/python3 -B
"""
Files of the state that are no longer where the next process looks for them.

A daemon looks every five seconds, so tests lose many daemons' files at a time.
"""
import os
import pathlib
import re
import shutil
import signal
import threading
import unittest

import test_state
from harness import Connection, request_bytes, wait_until


class Gone(test_state.StateCase):
    GONE = r"error: state \S+/state is no longer there: "

    ANEW = r"allowd: state \S+/state: made anew"
    NOT_ANEW = r"error: cannot make \S+/state anew at \S+: "

    def lose(self, threads=1, way=os.remove, path=None):
        """A daemon that has taken 4 tokens of a key, and whose file is gone; it looks every five seconds."""
        path = path or self.path
        daemon = self.start(self.config(f"threads: {threads}\n", state=path))
        self.take(daemon, "key", 4)
        self.assert_sound(daemon)
        way(path)
        return daemon

    def assert_lost(self, daemon):
        """It notices that without any occasion."""
        daemon.wait_for_line(self.GONE)
        wait_until(lambda: self.readiness(daemon)[0] == 503, "it says that it is not ready")
        self.assert_degraded(daemon, "removed or replaced")
        self.assertEqual(self.remaining(daemon, "key"), 6)
        self.take(daemon, "key", 2)

    def gone(self, **how):
        """Both."""
        daemon = self.lose(**how)
        self.assert_lost(daemon)
        return daemon

    def paths(self, count):
        """One for each of so many daemons at the same time, in directories of their own."""
        directories = [os.path.join(self.directory, str(i)) for i in range(count)]
        for directory in directories:
            os.mkdir(directory)
        return [os.path.join(directory, "state") for directory in directories]

    def assert_anew(self, daemon, path=None):
        """Made by a reload, and good for the next process."""
        path = path or self.path
        self.assertRegex(self.hup(daemon), self.ANEW)
        self.assert_sound(daemon)
        self.assertEqual(os.listdir(os.path.dirname(path)), ["state"])
        self.assertEqual(os.stat(path).st_mode & 0o7777, 0o600)
        self.assertEqual(self.remaining(daemon, "key"), 4)
        self.take(daemon, "key", 1)
        self.assertNotIn("anew", self.hup(daemon))
        daemon.kill()
        daemon = self.start(self.config(state=path))
        self.assertTrue(daemon.wait_for_line(r"state \S+: 1 key restored"))
        self.assertEqual(self.remaining(daemon, "key"), 3)
        self.assert_sound(daemon)
        daemon.stop()

    def test_removed(self):
        lost = [(self.lose(threads=threads, path=path), path) for threads, path in zip((0, 1, 3), self.paths(3))]
        for daemon, path in lost:
            with self.subTest(path):
                self.assert_lost(daemon)
                self.assertEqual(len(re.findall(self.GONE, "\n".join(daemon.log()))), 1)
                self.assertRegex(self.hup(daemon), self.ANEW)
                opened = [os.readlink(f"/proc/{daemon.process.pid}/fd/{number}") for number in daemon.descriptors()
                          if number > 2]
                self.assertEqual([name for name in opened if self.directory in name], [path])
                os.remove(path)
                self.assert_anew(daemon, path)  # noticed by the reload itself

    def test_removed_and_no_reload(self):
        daemon = self.gone()
        daemon.stop()
        daemon = self.start()
        self.assertTrue(daemon.wait_for_line(r"state \S+ is new"))
        self.assertEqual(self.remaining(daemon, "key"), 10)
        daemon.stop()

    def test_by_http(self):
        socket_path = os.path.join(self.directory, "admin")
        daemon = self.start(self.config(f"admin_listen: ['unix:{socket_path}']\n"))
        self.take(daemon, "key", 4)
        os.remove(self.path)
        mark = daemon.mark()
        with Connection(socket_path) as connection:
            connection.send(request_bytes("POST", "/reload"))
            self.assertEqual(connection.receive().status, 200)
        daemon.wait_for_line(self.GONE, mark)
        daemon.wait_for_line(self.ANEW, mark)
        self.assertEqual(self.readiness(daemon)[0], 200)
        daemon.stop()
        daemon = self.start()
        self.assertEqual(self.remaining(daemon, "key"), 6)
        daemon.stop()

    def test_a_faulty_configuration_hinders_nothing(self):
        daemon = self.gone()
        daemon.write_config("limits: none")
        mark = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("is faulty", mark)
        daemon.wait_for_line(self.ANEW, mark)
        self.assert_sound(daemon)
        daemon.write_config(self.config())
        os.remove(self.path)
        self.assert_anew(daemon)

    def test_moved_and_moved_back(self):
        daemon = self.gone(way=lambda path: os.rename(path, path + ".away"))
        os.rename(self.path + ".away", self.path)
        self.assertRegex(self.hup(daemon), r"allowd: state \S+/state is there again")
        self.assert_sound(daemon)
        os.remove(self.path)
        self.assert_anew(daemon)

    def test_its_directory_gone_and_back(self):
        directory = os.path.join(self.directory, "more")
        path = os.path.join(directory, "state")
        os.mkdir(directory)
        daemon = self.gone(way=lambda path: os.rename(directory, directory + ".away"), path=path)
        for _ in range(2):
            self.assertRegex(self.hup(daemon), self.NOT_ANEW + "its directory does not exist; make one that "
                             "belongs to allowd's user alone, then reload; serving goes on from memory")
            self.assert_degraded(daemon, "removed or replaced")
        os.mkdir(directory)
        self.assert_anew(daemon, path)

    def test_what_took_its_place_stays(self):
        """As long as it is there; whatever it is."""
        def copy(path):
            shutil.copy(path, path + "2")
            os.rename(path + "2", path)

        def instead(make):
            def way(path):
                os.remove(path)
                make(path)
            return way

        def writes(data):
            return instead(lambda path: pathlib.Path(path).write_bytes(data))

        ways = ((copy, os.path.isfile), (writes(b"precious"), os.path.isfile), (writes(bytes(9000)), os.path.isfile),
                (instead(os.mkdir), os.path.isdir), (instead(os.mkfifo), os.path.exists),
                (instead(lambda path: os.symlink("elsewhere", path)), os.path.islink))
        lost = [(self.lose(way=way, path=path), path, there) for (way, there), path in zip(ways, self.paths(len(ways)))]
        for daemon, path, there in lost:
            self.assert_lost(daemon)
            before = os.lstat(path)
            self.assertRegex(self.hup(daemon), self.NOT_ANEW + "something else is there; move it away, then reload")
            self.assert_degraded(daemon, "removed or replaced")
            self.assertTrue(there(path))
            after = os.lstat(path)
            self.assertEqual((after.st_ino, after.st_mode, after.st_size, after.st_mtime),
                             (before.st_ino, before.st_mode, before.st_size, before.st_mtime))
            (os.rmdir if os.path.isdir(path) else os.remove)(path)
            self.assert_anew(daemon, path)

    def test_something_else_where_it_is_made(self):
        daemon = self.gone()
        with open(self.path + ".new", "wb") as file:
            file.write(b"precious")
        self.assertRegex(self.hup(daemon), self.NOT_ANEW + "something else is there; move it away, then reload")
        self.assert_degraded(daemon, "removed or replaced")
        self.assertEqual(os.listdir(self.directory), ["state.new"])
        os.remove(self.path + ".new")
        self.assert_anew(daemon)

    def test_a_file_of_nothing_is_replaced(self):
        lost = [(self.lose(path=path), path, size) for size, path in zip((0, 9000), self.paths(2))]
        for daemon, path, size in lost:
            self.assert_lost(daemon)
            with open(path, "wb") as file:
                file.truncate(size)
            self.assert_anew(daemon, path)

    def test_another_process_has_taken_its_place(self):
        daemon = self.gone()
        other = self.start()
        self.take(other, "key", 9)
        self.assertRegex(self.hup(daemon), self.NOT_ANEW + "another process has the file that is there; end that one, "
                         "then reload")
        self.assert_degraded(daemon, "removed or replaced")
        daemon.stop()
        self.take(other, "key", 1)
        other.kill()
        other = self.start()
        self.assertEqual(self.remaining(other, "key"), 0)
        other.stop()

    def test_under_load(self):
        """Whoever was told 200 has taken a token, whichever file was in use; and the next process knows it."""
        keys, burst = 200, 500000
        for threads in (0, 1, 2):
            config = self.config(f"threads: {threads}\n").replace("burst: 10,", f"burst: {burst},")
            daemon = self.start(config)
            taken = [[0] * keys for _ in range(4)]
            is_over = threading.Event()

            def ask(counts, address=daemon.address, is_over=is_over):
                with Connection(address) as connection:
                    while not is_over.is_set():
                        for key in range(keys):
                            connection.send(request_bytes("GET", f"/allow?key=k{key}"))
                            counts[key] += connection.receive().status == 200

            clients = [threading.Thread(target=ask, args=(counts,)) for counts in taken]
            for client in clients:
                client.start()
            for _ in range(20):
                os.remove(self.path)
                self.assertRegex(self.hup(daemon), self.ANEW)
            is_over.set()
            for client in clients:
                client.join()
            daemon.kill()
            daemon = self.start(config)
            for key in range(keys):
                self.assertEqual(burst - self.remaining(daemon, f"k{key}"), sum(counts[key] for counts in taken))
            self.assertGreater(sum(map(sum, taken)), keys)
            daemon.stop()
            os.remove(self.path)


if __name__ == "__main__":
    unittest.main()
