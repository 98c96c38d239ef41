mod gateways;
mod modes;
mod policies;
mod rollouts;
