module gitops-bot.test/bare

go 1.26.0
