"""Permission to send texts away, and the account of what came of it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from sizewise.core.errors import RunError
from sizewise.encode.remote.endpoints import Endpoint, config_path

KEPT = "what was paid for is in the store, and the same command goes on from there"


@dataclass
class Spent:
    """What was sent to one endpoint."""

    requests: int = 0
    """Sent and answered."""
    texts: int = 0
    tokens: int = 0
    """As the endpoint counted them; where it does not say, estimated."""
    estimated_tokens: float = 0.0
    """The same by estimate, to learn how good that is."""
    lost: int = 0
    """Requests whose answer never came, or was no use; they may have been paid for."""
    cost: float = 0.0
    """In the currency of the endpoint's price, lost requests by estimate; 0 without a price."""
    counted: bool = True
    """False when an answer did not say how many tokens there were."""

    @property
    def ratio(self) -> float:
        """Tokens to estimated tokens; 1 while nothing is known."""
        return self.tokens / self.estimated_tokens if self.tokens and self.estimated_tokens else 1.0


@dataclass
class Allowance:
    """Texts may be sent to the endpoints of the user's configuration. Make one for each study: it counts what is spent.

    `spent` is by the endpoint's name.
    """

    spent: dict[str, Spent] = field(default_factory=dict)

    def of(self, endpoint: Endpoint) -> Spent:
        """The account of one endpoint."""
        return self.spent.setdefault(endpoint.name, Spent())

    def check(self, endpoint: Endpoint, estimated_tokens: float) -> None:
        """Raises RunError when a request of so many tokens would go beyond `max_spend`."""
        account = self.of(endpoint)
        coming = endpoint.cost(estimated_tokens * account.ratio)
        if coming is None or endpoint.max_spend is None or account.cost + coming <= endpoint.max_spend:
            return
        raise RunError(
            f"endpoint {endpoint.name}: {account.cost:.4g} is spent, and the next request would bring it above "
            f"max_spend = {endpoint.max_spend:g}, so it was not sent; raise that in {config_path()} "
            f"and run again ({KEPT})"
        )

    def answered(self, endpoint: Endpoint, texts: int, estimated_tokens: float, tokens: int | None) -> None:
        """A request was answered; `tokens` is what the endpoint says it counted."""
        account = self.of(endpoint)
        account.requests += 1
        account.texts += texts
        account.counted = account.counted and tokens is not None
        account.tokens += round(estimated_tokens) if tokens is None else tokens
        account.estimated_tokens += estimated_tokens
        account.cost += endpoint.cost(estimated_tokens if tokens is None else tokens) or 0.0

    def lost(self, endpoint: Endpoint, estimated_tokens: float) -> None:
        """A request was sent, its answer never came, and it may have been paid for."""
        account = self.of(endpoint)
        account.lost += 1
        account.cost += endpoint.cost(estimated_tokens * account.ratio) or 0.0

    def add(self, others: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over the accounts of another process that went on from these, as `to_json` says them."""
        self.spent.update({name: Spent(**found) for name, found in others.items()})

    def to_json(self) -> dict[str, dict[str, Any]]:
        return {name: asdict(found) for name, found in self.spent.items()}

    @classmethod
    def from_json(cls, found: Mapping[str, Mapping[str, Any]]) -> Self:
        made = cls()
        made.add(found)
        return made
