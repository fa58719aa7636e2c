"""Which part of the library reference a top-level module of the standard library belongs to.

The areas are the chapters of docs.python.org/3/library, small neighbours joined ("Functional programming" with "Data
types", "File formats" with "Data persistence"). Modules of chapters too mixed to be an area (runtime services,
importing) or too small to be found again as a cluster (cryptography: 11 texts) are out.
"""

_MODULES = {
    "text": "string re difflib textwrap unicodedata stringprep readline rlcompleter",
    "data types": "array bisect calendar codecs collections copy copyreg dataclasses datetime enum functools graphlib "
    "heapq itertools operator pprint queue reprlib struct types weakref zoneinfo",
    "mathematics": "cmath decimal fractions math numbers random statistics",
    "files": "dircache filecmp fileinput fnmatch genericpath glob linecache macpath ntpath pathlib posixpath shutil "
    "stat tempfile",
    "persistence and formats": "bz2 configparser csv dbm gzip lzma netrc pickle pickletools plistlib shelve sqlite3 "
    "tarfile tomllib xdrlib zipfile zlib",
    "operating system": "argparse ctypes curses errno getopt getpass io locale logging os optparse platform pty pwd "
    "resource sched signal syslog time tty",
    "concurrency": "concurrent contextvars multiprocessing subprocess threading",
    "networking": "asyncio asyncore asynchat select selectors socket ssl",
    "internet data": "base64 binascii binhex email json mailbox mailcap mimetypes quopri uu",
    "markup": "html xml",
    "internet protocols": "cgi cgitb ftplib http imaplib ipaddress nntplib poplib smtpd smtplib socketserver telnetlib "
    "urllib uuid webbrowser wsgiref xmlrpc",
    "graphical interfaces": "colorsys tkinter turtle wave aifc chunk sndhdr sunau imghdr",
    "testing and debugging": "bdb cProfile doctest faulthandler pdb profile pstats pydoc timeit trace tracemalloc "
    "unittest",
    "language tools": "ast compileall dis inspect keyword pyclbr py_compile symtable tabnanny token tokenize",
}

AREAS = {module: area for area, modules in _MODULES.items() for module in modules.split()}
"""Top-level module to area."""
