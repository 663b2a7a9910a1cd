//! Tags (section 5.10).

use super::common::{STRING, TAG_KEY, TAG_MAP};
use crate::rules;
use crate::shape::{Shape, list, optional, path, required, required_query, structure};

pub(super) static TAG_KEYS: Shape = list("TagKeys", &TAG_KEY);

pub(super) static LIST_TAGS_FOR_RESOURCE_REQUEST: Shape =
    structure("ListTagsForResourceRequest", &[path("resourceArn", &STRING)]).rule(rules::tagged);
pub(super) static LIST_TAGS_FOR_RESOURCE_RESPONSE: Shape =
    structure("ListTagsForResourceResponse", &[optional("tags", &TAG_MAP)]);

pub(super) static TAG_RESOURCE_REQUEST: Shape =
    structure("TagResourceRequest", &[path("resourceArn", &STRING), required("tags", &TAG_MAP)])
        .rule(rules::tagged);
pub(super) static TAG_RESOURCE_RESPONSE: Shape = structure("TagResourceResponse", &[]);

pub(super) static UNTAG_RESOURCE_REQUEST: Shape =
    structure("UntagResourceRequest", &[path("resourceArn", &STRING), required_query("tagKeys", &TAG_KEYS)])
        .rule(rules::tagged);
pub(super) static UNTAG_RESOURCE_RESPONSE: Shape = structure("UntagResourceResponse", &[]);
