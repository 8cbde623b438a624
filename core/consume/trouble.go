package consume

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// trouble logs what keeps a job from being dealt with, once.
func (c *Consumer) trouble(stem string, err error) {
	why := oneLine(err)
	c.mu.Lock()
	said := c.troubles[stem] == why
	c.troubles[stem] = why
	c.mu.Unlock()
	log := c.Log.With("consumer", c.Name, "app", c.App)
	switch {
	case said:
	case stem == "":
		log.Error("handing jobs on", "error", why)
	case stem == reportsTrouble:
		log.Error("reports to senders", "error", why)
	default:
		log.Error("handing jobs on", "job", stem, "error", why)
	}
}

func (c *Consumer) noTrouble(stem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.troubles, stem)
}

// Ready says why jobs are not handed on now.
func (c *Consumer) Ready(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var err error
	if why := c.troubles[""]; why != "" {
		err = fmt.Errorf("consume.%s: %s", c.Name, why)
	}
	if c.health.down {
		err = errors.Join(err, fmt.Errorf("consume.%s: the target is down since %s: %s", c.Name, c.health.since.Format(time.DateTime), c.health.why))
	}
	return err
}
