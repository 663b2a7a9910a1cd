//! Types that several families use.

use crate::rules;
use crate::shape::{Shape, map, pattern, string, timestamp};

pub(super) static IDEMPOTENCY_TOKEN: Shape =
    string("IdempotencyToken").chars(1, 64).matching(pattern!(r"[!-~]+"));
pub(super) static PAGINATION_TOKEN: Shape = string("PaginationToken").chars(0, 1000);
pub(super) static STRING: Shape = string("String");
pub(super) static TAG_KEY: Shape =
    string("TagKey").chars(1, 128).matching(pattern!(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)")).rule(rules::tag_text);
pub(super) static TAG_VALUE: Shape = string("TagValue")
    .chars(0, 256)
    .matching(pattern!(r"([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"))
    .rule(rules::tag_text);
pub(super) static WORKSPACE_ARN: Shape =
    string("WorkspaceArn").matching(pattern!(r"arn:aws[-a-z]*:aps:[-a-z0-9]+:[0-9]{12}:workspace/.+"));
pub(super) static WORKSPACE_ID: Shape =
    string("WorkspaceId").chars(1, 64).matching(pattern!(r".*[0-9A-Za-z][-.0-9A-Z_a-z]*.*"));
pub(super) static TIMESTAMP: Shape = timestamp("Timestamp");
pub(super) static TAG_MAP: Shape = map("TagMap", &TAG_KEY, &TAG_VALUE).entries(0, 50);
