"""Names of containers: which are allowed, and one for a container that got none.

Source: dockerd's "names" (the rule) and "namesgenerator" (an adjective and a scientist).
"""

import re
import secrets
from collections.abc import Container

from kit.errors import Conflict, Invalid

_RULE = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
_NAME = re.compile(rf"{_RULE}+")

ADJECTIVES = """
admiring agile amazing blissful bold brave busy charming clever compassionate confident cool
dazzling determined dreamy eager ecstatic elated elegant eloquent epic exciting fervent festive
flamboyant focused friendly gallant gifted goofy gracious great happy hopeful hungry infallible
inspiring intelligent interesting jolly keen kind laughing loving lucid magical modest musing
mystifying naughty nervous nice nifty nostalgic optimistic peaceful pensive practical priceless
quirky quizzical recursing relaxed reverent romantic serene sharp silly sleepy stoic strange
suspicious sweet tender thirsty trusting unruffled upbeat vibrant vigilant vigorous wizardly
wonderful youthful zealous zen
""".split()  # noqa: SIM905 - a list of words is read as words
SURNAMES = """
agnesi albattani archimedes ardinghelli babbage banach bardeen bartik bell benz bhabha blackwell
bohr booth borg bose brown buck burnell carson cartwright chandrasekhar colden cori cray curie
curran darwin davinci dijkstra driscoll easley edison einstein elion engelbart euclid euler fermat
fermi feynman franklin gagarin galileo gauss goldberg goldstine goodall hamilton hawking heisenberg
hermann hodgkin hoover hopper hypatia jackson jang jemison jepsen johnson joliot kalam kepler
khorana kilby knuth kowalevski lalande lamarr lamport leakey leavitt lewin liskov lovelace lumiere
mahavira mayer mccarthy mcclintock mclean meitner mendel mendeleev mestorf mirzakhani morse murdock
napier nash neumann newton nightingale nobel noether northcutt noyce panini pare pascal pasteur
payne perlman pike poincare ptolemy raman ramanujan ride ritchie roentgen rosalind sammet shannon
shaw shirley shockley sinoussi snyder spence stonebraker swanson swartz swirles tesla thompson
torvalds turing varahamihira vaughan villani visvesvaraya volhard wescoff wiles williams wing
wozniak wright yalow yonath
""".split()  # noqa: SIM905 - a list of words is read as words


class InvalidName(Invalid):
    """A name with other characters than Docker allows."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Invalid container name ({name}), only {_RULE} are allowed")
        self.name = name


class NameInUse(Conflict):
    """Another container has the name."""

    def __init__(self, name: str, holder: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{holder}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )
        self.name, self.holder = name, holder


def checked(name: str) -> str:
    """``name`` without the slash in front that Docker's documents carry.

    Raises:
        InvalidName
    """
    bare = name.removeprefix("/")
    if not _NAME.fullmatch(bare):
        raise InvalidName(name)
    return bare


def generated(taken: Container[str]) -> str:
    """A free ``adjective_surname``; with a number behind it when chance hits a taken one."""
    name = f"{secrets.choice(ADJECTIVES)}_{secrets.choice(SURNAMES)}"
    while name in taken:
        name += str(secrets.randbelow(10))
    return name
