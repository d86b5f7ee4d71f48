"""Forms over policy: what an operator typed, checked field by field before ``mcp_guard.changes`` writes."""

from mcp_guard.forms.checks import CheckForm
from mcp_guard.forms.clients import ClientForm
from mcp_guard.forms.endpoints import ReportOnlyForm
from mcp_guard.forms.origins import OriginForm
from mcp_guard.forms.refusals import ApproveForm
from mcp_guard.forms.scopes import ScopeForm
from mcp_guard.forms.servers import ApproveServerForm, ServerForm
from mcp_guard.forms.tokens import IssueForm, RotateForm, TokenForm

__all__ = [
    "ApproveForm",
    "ApproveServerForm",
    "CheckForm",
    "ClientForm",
    "IssueForm",
    "OriginForm",
    "ReportOnlyForm",
    "RotateForm",
    "ScopeForm",
    "ServerForm",
    "TokenForm",
]
