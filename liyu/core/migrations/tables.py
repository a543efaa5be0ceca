"""Every table of every package, gathered so that migrations see the whole schema. Only migrations and tests import this."""

import liyu.catalog.coupon_models
import liyu.catalog.evaluation.models
import liyu.catalog.favourite_models
import liyu.catalog.models
import liyu.catalog.pools.models
import liyu.catalog.price_models
import liyu.core.access.models
import liyu.core.audit
import liyu.core.exports
import liyu.core.idempotency
import liyu.core.ledger.models
import liyu.core.limits
import liyu.core.outbox
import liyu.core.webhooks.models
import liyu.members.imports.models
import liyu.members.models
import liyu.members.notice_models
import liyu.members.paid.models
import liyu.members.personal.models
import liyu.members.points.expiry_models
import liyu.members.points.models
import liyu.members.service.models
import liyu.members.tags.models
import liyu.members.tiers.models
import liyu.partners.models
import liyu.partners.settlement.models
import liyu.redemption.aftersale.models
import liyu.redemption.campaigns.models
import liyu.redemption.draws.models
import liyu.redemption.drops.models
import liyu.redemption.giftcodes.models
import liyu.redemption.models
import liyu.redemption.orderdesk.models
import liyu.redemption.payments.models
import liyu.redemption.shipping.models
import liyu.redemption.topup.models
import liyu.vouchers.models
import liyu.vouchers.offline.models
import liyu.vouchers.till_models  # noqa: F401
from liyu.core.database import Base

metadata = Base.metadata
